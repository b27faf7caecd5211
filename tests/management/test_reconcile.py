"""`reconcile`: every way in which the three sides can disagree is found; what is safe is healed, the rest told."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import jsonschema
import pytest
from temporalio.client import WorkflowExecutionStatus

from domain.booking import Status
from models import ReconciliationRun, StripeWebhookEvent
from reconciliation.findings import Kind, Outcome, Remedy
from reconciliation.run_queries import findings_of
from tests.management.muddles import HEALED, LEFT, NOBODY, make_all
from tests.management.office import Office, Stay, eventually
from tests.workflows.servers import Json
from workflows.booking import BookingWorkflow


@dataclass(frozen=True)
class Reconciled:
    """One muddle of each kind, and what a run said of them."""

    stays: dict[Kind, Stay]
    said: Json
    exit_status: int

    def found(self, kind: Kind) -> Json:
        """The finding of this kind, about the booking in which it was made."""
        booking_id = NOBODY if kind is Kind.PAYMENT_OF_NOBODY else self.stays[kind].booking_id
        found: list[Json] = [
            row for row in self.said["findings"] if (row["kind"], row["booking_id"]) == (kind, booking_id)
        ]
        assert len(found) == 1, found
        return found[0]


@pytest.fixture(scope="module")
async def reconciled(shared_office: Office) -> Reconciled:
    stays = await make_all(shared_office)
    exit_status, said = await shared_office.reconcile()
    return Reconciled(stays, said, exit_status)


def test_every_kind_is_tested() -> None:
    assert HEALED.keys() | LEFT.keys() == set(Kind)
    assert HEALED.keys() == _HEALTHY.keys()


@pytest.mark.parametrize("kind", HEALED)
async def test_what_is_safe_is_healed(reconciled: Reconciled, kind: Kind) -> None:
    assert reconciled.found(kind)["outcome"] == "healed"
    stay, is_healthy = reconciled.stays[kind], _HEALTHY[kind]
    await eventually(f"{kind} to be healed", lambda: is_healthy(stay))


@pytest.mark.parametrize("kind", LEFT)
async def test_what_is_not_safe_is_left_to_people(reconciled: Reconciled, kind: Kind) -> None:
    found = reconciled.found(kind)
    assert (found["outcome"], found["remedy"]) == ("left", "report")
    assert found["detail"]
    assert reconciled.exit_status == 1


async def _runs_and_can_be_paid(stay: Stay) -> bool:
    await stay.pay()
    await stay.handle.execute_update(BookingWorkflow.check_payment)
    return await stay.status() is Status.PENDING_APPROVAL


async def _is_submitted(stay: Stay) -> bool:
    return await stay.status() is Status.PENDING_PAYMENT


async def _hears_operators(stay: Stay) -> bool:
    said = await stay.office.done("booking", "resolve", stay.booking_id)
    return "needs nobody any more" in said and (await stay.row()).needs_attention is None


async def _told_its_guest_and_ended(stay: Stay) -> bool:
    query = {"booking_id": stay.booking_id, "to": stay.guest_email}
    mails = await stay.office.stand_ins.mail.ask("GET", "/_sandbox/messages", params=query)
    ended = (await stay.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    return ended and f"Booking Update - {stay.booking_id}" in [mail["subject"] for mail in mails]


async def _waits_for_a_decision(stay: Stay) -> bool:
    return await stay.status() is Status.PENDING_APPROVAL


async def _is_declined(stay: Stay) -> bool:
    row = await stay.row()
    return (row.status, row.reason_code) == ("DECLINED", "AUTHORIZATION_EXPIRED")


async def _is_confirmed_by_stripe(stay: Stay) -> bool:
    row = await stay.row()
    return (row.status, row.amount_captured_minor, row.decision_made_by) == ("CONFIRMED", 15000, "stripe")


async def _gave_the_second_back(stay: Stay) -> bool:
    statuses = sorted(payment["status"] for payment in await stay.payments())
    kept = await stay.status() is Status.PENDING_APPROVAL
    return (
        kept
        and statuses == ["canceled", "requires_capture"]
        and "stray_payment_returned" in await stay.events()
    )


async def _gave_it_back(stay: Stay) -> bool:
    kept = [payment["amount_received"] - payment["refunded"] for payment in await stay.payments()]
    held = [payment for payment in await stay.payments() if payment["status"] == "requires_capture"]
    ended = await stay.status() is Status.DECLINED
    return ended and not held and not any(kept) and "stray_payment_returned" in await stay.events()


async def _counted_the_refund(stay: Stay) -> bool:
    return (await stay.row()).amount_refunded_minor == 5000


async def _recorded_the_dispute(stay: Stay) -> bool:
    return "dispute_recorded" in await stay.events()


async def _closed_the_page(stay: Stay) -> bool:
    query = {"booking_id": stay.booking_id}
    ledger = await stay.office.stripe.ask("GET", "/_sandbox/ledger", params=query)
    return all(session["status"] != "open" for session in ledger["sessions"])


async def _closed_the_decision(stay: Stay) -> bool:
    said = await stay.office.done("booking", "show", stay.booking_id)
    return "already_decided" in said and "not yet" not in said


async def _processed_the_event(stay: Stay) -> bool:
    async with stay.office.database.transaction() as db:
        event = await db.get_one(StripeWebhookEvent, f"evt_left_{stay.booking_id}")
    return event.processed_at is not None and event.note is None


_HEALTHY: dict[Kind, Callable[[Stay], Awaitable[bool]]] = {
    Kind.WORKFLOW_MISSING: _runs_and_can_be_paid,
    Kind.SUBMISSION_LOST: _is_submitted,
    Kind.ATTENTION_UNHEARD: _hears_operators,
    Kind.END_UNTOLD: _told_its_guest_and_ended,
    Kind.HOLD_UNSEEN: _waits_for_a_decision,
    Kind.HOLD_GONE: _is_declined,
    Kind.CAPTURE_UNSEEN: _is_confirmed_by_stripe,
    Kind.SECOND_PAYMENT: _gave_the_second_back,
    Kind.HOLD_AFTER_END: _gave_it_back,
    Kind.MONEY_AFTER_END: _gave_it_back,
    Kind.REFUND_UNCOUNTED: _counted_the_refund,
    Kind.DISPUTE_UNCOUNTED: _recorded_the_dispute,
    Kind.PAGE_OPEN: _closed_the_page,
    Kind.DECISION_LEFT_OPEN: _closed_the_decision,
    Kind.EVENT_UNPROCESSED: _processed_the_event,
}


async def test_it_adds_up_and_matches_its_schema(reconciled: Reconciled) -> None:
    said = reconciled.said
    jsonschema.validate(said, _SCHEMA)
    outcomes = [found["outcome"] for found in said["findings"]]
    assert said["found"] == len(outcomes)
    assert (said["healed"], said["left"]) == (outcomes.count("healed"), outcomes.count("left"))
    assert said["compared"]["bookings"] == len(reconciled.stays)
    assert said["compared"]["unprocessed_events"] == 1


async def test_a_run_is_kept_with_what_it_found(shared_office: Office, reconciled: Reconciled) -> None:
    async with shared_office.database.transaction() as db:
        run = await db.get_one(ReconciliationRun, reconciled.said["run_id"])
        kept = await findings_of(db, run.run_id)
    assert (run.started_by, run.complete, run.dry_run) == ("operator", True, False)
    assert run.finished_at is not None
    assert (run.healed, run.left_open) == (reconciled.said["healed"], reconciled.said["left"])
    assert len(kept) == reconciled.said["found"]


async def test_nothing_of_a_guest_is_in_it(reconciled: Reconciled) -> None:
    text = json.dumps(reconciled.said)
    assert not [word for stay in reconciled.stays.values() for word in stay.private if word in text]


async def test_show_names_what_was_left(shared_office: Office, reconciled: Reconciled) -> None:
    stay = reconciled.stays[Kind.AMOUNT_DIFFERS]
    assert "Reconciliation found amount differs" in await shared_office.done(
        "booking", "show", stay.booking_id
    )


async def test_bookings_in_order_are_no_findings(office: Office) -> None:
    for make in (office.draft, office.submitted, office.held, office.confirmed, office.declined):
        await make()
    exit_status, said = await office.reconcile()
    assert (exit_status, said["findings"]) == (0, [])
    assert said["compared"] == {"bookings": 5, "payments": 3, "open_pages": 0, "unprocessed_events": 0}
    assert "agree" in await office.done("reconcile")


_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": "integer", "minimum": 0}
_SCHEMA: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        "run_id", "started_at", "since", "dry_run", "compared", "found", "healed", "planned", "left", "findings",
    ],
    "properties": {
        "run_id": {"type": "string"},
        "started_at": {"type": "string"},
        "since": {"type": "string"},
        "dry_run": {"type": "boolean"},
        "compared": {
            "type": "object",
            "additionalProperties": False,
            "required": ["bookings", "payments", "open_pages", "unprocessed_events"],
            "properties": {
                "bookings": _COUNT, "payments": _COUNT, "open_pages": _COUNT, "unprocessed_events": _COUNT,
            },
        },
        "found": _COUNT,
        "healed": _COUNT,
        "planned": _COUNT,
        "left": _COUNT,
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    "booking_id", "status", "kind", "subject", "remedy", "outcome", "detail", "found_at",
                ],
                "properties": {
                    "booking_id": _TEXT_OR_NULL,
                    "status": {"enum": [*Status, None]},
                    "kind": {"enum": list(Kind)},
                    "subject": _TEXT_OR_NULL,
                    "remedy": {"enum": list(Remedy)},
                    "outcome": {"enum": list(Outcome)},
                    "detail": {"type": "string"},
                    "found_at": {"type": "string"},
                },
            },
        },
    },
}  # fmt: skip
