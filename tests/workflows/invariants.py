"""The product's promises M1–M10, checked over everything that a world can show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

from sandbox.evidence import Evidence, read_rows
from sandbox.histories import readable
from sandbox.invariants import check

if TYPE_CHECKING:
    from tests.workflows.harness import WorkflowHarness


async def find_violations(harness: WorkflowHarness, *, excused: str = "") -> list[str]:
    """Every violation of a promise, in a sentence each.

    Args:
        excused: codes of promises that need not hold here, such as `M6`.
    """
    evidence = await collect(harness)
    verdicts = check(evidence, now=await harness.now())
    return [
        f"{result.code}: {violation}"
        for result in verdicts
        if result.code not in excused.split()
        for violation in result.violations
    ]


async def collect(harness: WorkflowHarness, *, histories: bool = True) -> Evidence:
    """Gather the evidence.

    Args:
        histories: those of the workflows too, which take longer to read than all the rest.
    """
    evidence = await collect_rows(harness)
    descriptions = {id_: await harness.describe(id_) for id_ in harness.workflow_ids()}
    known = {id_: found for id_, found in descriptions.items() if found is not None}
    settings = harness.settings
    return replace(
        evidence,
        ledger={"payment_intents": [i for id_ in harness.booking_ids for i in await _intents(harness, id_)]},
        messages=await harness.stand_ins.pusher.ask("GET", "/_sandbox/messages"),
        mails=await harness.stand_ins.mail.ask("GET", "/_sandbox/messages"),
        workflows={id_: _status(found.status) for id_, found in known.items()},
        histories={id_: await history_text(harness, id_) for id_ in known} if histories else None,
        logs={"worker": harness.worker_log.getvalue()},
        secrets=(
            settings.stripe_secret_key.get_secret_value(),
            settings.stripe_webhook_secret.get_secret_value(),
            settings.auth_secret.get_secret_value(),
            settings.pusher_secret.get_secret_value(),
            *harness.private_words,
        ),
    )


async def collect_rows(harness: WorkflowHarness) -> Evidence:
    """Gather what the database shows, and the answers that were given before."""
    delivered, answers = list(harness.webhooks.delivered), list(harness.answers)
    async with harness.database.transaction() as db:
        # One database snapshot, so that a booking and its timeline are of the same moment.
        connection = await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        rows, inbox, nights = await read_rows(connection)
    return Evidence(
        bookings=[booking for booking in rows if booking.booking_id in harness.booking_ids],
        ledger={"payment_intents": []},
        messages=[],
        mails=[],
        answers=answers,
        inbox=inbox,
        nights={key: night for key, night in nights.items() if not night.claims & harness.judged_ids},
        delivered=delivered,
    )


async def _intents(harness: WorkflowHarness, booking_id: str) -> list[dict[str, Any]]:
    books = await harness.stripe.ask("GET", "/_sandbox/ledger", params={"booking_id": booking_id})
    intents: list[dict[str, Any]] = books["payment_intents"]
    return intents


def _status(status: WorkflowExecutionStatus | None) -> str:
    return status.name if status is not None else "UNKNOWN"


async def history_text(harness: WorkflowHarness, id_: str) -> str:
    """A workflow's whole history, over all runs that continue one another, as one text with readable payloads."""
    return "\n".join([readable(history.to_json()) async for history in histories_of(harness, id_)])


async def histories_of(harness: WorkflowHarness, id_: str) -> AsyncIterator[WorkflowHistory]:
    """The histories of the runs that continue one another, the latest first."""
    run_id: str | None = None
    while run_id != "":
        history = await harness.client.get_workflow_handle(id_, run_id=run_id).fetch_history()
        yield history
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
