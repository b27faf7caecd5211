"""Findings that the scheduled reconciliation leaves reach people: in the log each time, by e-mail once."""

from __future__ import annotations

import asyncio
import logging
import secrets
from unittest.mock import AsyncMock

import pytest
from sqlalchemy import text

from models import utc_now
from reconciliation.alerts import ReconciliationAlerts
from reconciliation.findings import FindingKind
from reconciliation.run_queries import begin_run, count_left, findings_of
from reconciliation.runs import Plan, Tally
from reconciliation.workflow import ReconcileWorkflow
from tests.management.booking_driver import ManagementBookingDriver
from tests.management.harness import ManagementHarness
from tests.workflows.servers import Json


async def _run(harness: ManagementHarness) -> Tally:
    """One run, as the Schedule starts it."""
    return await harness.client.execute_workflow(
        ReconcileWorkflow.run,
        id=f"reconcile-{secrets.token_hex(4)}",
        task_queue=harness.settings.temporal_task_queue,
    )


async def _at_odds(harness: ManagementHarness) -> ManagementBookingDriver:
    """A booking whose row names a payment that Stripe has never heard of."""
    booking = await harness.declined()
    await booking.set(payment_intent_id=f"pi_unknown_{booking.booking_id}")
    return booking


async def _told(booking: ManagementBookingDriver) -> list[Json]:
    """The findings reported to a booking's hotel."""
    mails = await booking.harness.stand_ins.mail.ask("GET", "/_sandbox/messages")
    return [
        mail
        for mail in mails
        if mail["subject"].startswith("Reconciliation findings") and booking.person.email in mail["to"]
    ]


async def test_what_is_left_is_mailed_once_and_logged_each_time(
    harness: ManagementHarness, caplog: pytest.LogCaptureFixture
) -> None:
    booking = await _at_odds(harness)
    with caplog.at_level(logging.ERROR):
        await _run(harness)
        await _run(harness)
        late = await _at_odds(harness)
        await _run(harness)

    [mail] = await _told(booking)
    assert mail["subject"] == f"Reconciliation findings - {booking.booking_id}"
    assert "payment unknown" in mail["text"]
    assert mail["message_id"]
    assert not [word for word in booking.private if word in mail["text"] + mail["html"]]
    [other] = await _told(late)
    assert booking.booking_id not in other["text"]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    about = f"kind={FindingKind.PAYMENT_UNKNOWN} booking={booking.booking_id} subject=pi_unknown_{booking.booking_id}"
    assert [line.partition("left ")[2] for line in lines if booking.booking_id in line] == [about] * 3


async def test_what_was_gone_in_between_is_told_anew(harness: ManagementHarness) -> None:
    booking = await _at_odds(harness)
    unknown = (await booking.row()).payment_intent_id
    await _run(harness)
    await booking.set(payment_intent_id=(await booking.payments())[0]["id"])
    await _run(harness)
    await booking.set(payment_intent_id=unknown)
    await _run(harness)
    assert len({mail["message_id"] for mail in await _told(booking)}) == 2


async def test_while_no_mail_is_taken_the_next_run_tells(harness: ManagementHarness) -> None:
    booking = await _at_odds(harness)
    await harness.stand_ins.mail.order("RCPT *", "error_before", status=451, times=50)
    await _run(harness)
    assert await _told(booking) == []
    await harness.stand_ins.mail.clear_faults()
    await _run(harness)
    assert len(await _told(booking)) == 1


@pytest.mark.parametrize("fault", [("error_before", {"status": 452}), ("drop_before", {})])
async def test_a_report_is_not_repeated_to_a_recipient_who_has_it(
    harness: ManagementHarness, fault: tuple[str, Json]
) -> None:
    booking = await _at_odds(harness)
    await booking.colleague("approver")
    kind, options = fault
    await harness.stand_ins.mail.order("RCPT approver@*", kind, times=50, **options)
    await _run(harness)
    await harness.stand_ins.mail.clear_faults()
    await _run(harness)
    [mail] = await _told(booking)
    assert mail["to"] == [booking.person.email]


async def test_an_alarm_that_fails_stops_no_run_and_the_next_run_tells_what_is_new(
    harness: ManagementHarness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_before = await _at_odds(harness)
    await _run(harness)
    new = await _at_odds(harness)
    with monkeypatch.context() as patch:
        patch.setattr(ReconciliationAlerts, "send", AsyncMock(side_effect=RuntimeError("no way to tell")))
        async with asyncio.timeout(20):
            tally = await _run(harness)
    assert (tally.left, tally.complete) == (2, True)
    [failure] = [record for record in caplog.records if "could not tell" in record.getMessage()]
    assert failure.levelno == logging.ERROR
    assert "no way to tell" not in caplog.text, "an error may quote a row"

    await _run(harness)
    assert len(await _told(told_before)) == 1
    assert len(await _told(new)) == 1


async def test_more_findings_than_a_statement_takes_parameters_are_told(
    harness: ManagementHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "reconciliation.alerts")
    booking = await harness.draft()
    plan = Plan(run_id="run-of-many", started_at=utc_now())
    async with harness.database.transaction() as db:
        await begin_run(db, plan)
        await db.execute(_MANY, {"run_id": plan.run_id, "known": booking.booking_id})
    await harness.alerts().send(plan.run_id)
    assert len(await _told(booking)) == 1
    async with harness.database.transaction() as db:
        found = await findings_of(db, plan.run_id)
    assert {row.booking_id for row in found if row.reported} == {booking.booking_id}
    assert sum(row.reported for row in found) == 33_000


_MANY = text("""
    insert into reconciliation_finding
        (run_id, kind, booking_id, subject, status, remedy, outcome, detail, found_at)
    select :run_id, 'payment_unknown', booking_id, subject, '', 'report', 'left', '', now()
    from generate_series(1, 33000) n,
        lateral (values (:known, 'pi_' || n), ('BK-' || n, '')) each (booking_id, subject)
""")


async def test_only_findings_that_two_runs_leave_alert_people(
    harness: ManagementHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """Stripe is away each time a page is to be closed: once for the first booking, twice for the second."""
    healed, left = await harness.declined(), await harness.declined()
    page = await healed.strange_page()
    await harness.stripe.order(f"POST /v1/checkout/sessions/{page}/expire", "error_before", status=500)
    assert (await _run(harness)).left == 1
    assert await _counted(harness) == 0

    page = await left.strange_page()
    fault = f"POST /v1/checkout/sessions/{page}/expire"
    await harness.stripe.order(fault, "error_before", status=500, times=2)
    tally = await _run(harness)
    assert (tally.healed, tally.left) == (1, 1)
    assert await _counted(harness) == 0
    assert not [record for record in caplog.records if "reconciliation left" in record.getMessage()]

    assert (await _run(harness)).left == 1
    assert await _counted(harness) == 1
    [line] = [record for record in caplog.records if "reconciliation left" in record.getMessage()]
    assert left.booking_id in line.getMessage()
    assert (len(await _told(healed)), len(await _told(left))) == (0, 1)


async def _counted(harness: ManagementHarness) -> int:
    """The gauge `reconciliation_findings_left`."""
    async with harness.database.reading() as db:
        return await count_left(db)


async def test_an_operators_own_run_sends_no_mail_and_hides_nothing_from_the_schedule(
    harness: ManagementHarness,
) -> None:
    booking = await _at_odds(harness)
    exit_status, _ = await harness.reconcile()
    assert exit_status == 1
    assert await _told(booking) == []
    await _run(harness)
    assert len(await _told(booking)) == 1
