"""What reconciliation on a Schedule leaves for people reaches them: in the log each time, by e-mail once."""

from __future__ import annotations

import asyncio
import logging
import secrets
from unittest.mock import AsyncMock

import pytest
from sqlalchemy import text

from models import utc_now
from reconciliation.alerts import Alarm
from reconciliation.findings import Kind
from reconciliation.run_queries import begin_run, count_left, findings_of
from reconciliation.runs import Plan, Tally
from reconciliation.workflow import ReconcileWorkflow
from tests.management.office import Office, Stay
from tests.workflows.servers import Json


async def _run(office: Office) -> Tally:
    """One run, as the Schedule starts it."""
    return await office.client.execute_workflow(
        ReconcileWorkflow.run,
        id=f"reconcile-{secrets.token_hex(4)}",
        task_queue=office.settings.temporal_task_queue,
    )


async def _at_odds(office: Office) -> Stay:
    """A booking whose row names a payment that Stripe has never heard of."""
    stay = await office.declined()
    await stay.set(payment_intent_id=f"pi_unknown_{stay.booking_id}")
    return stay


async def _told(stay: Stay) -> list[Json]:
    """What the hotel of a booking was told of findings."""
    mails = await stay.office.stand_ins.mail.ask("GET", "/_sandbox/messages")
    return [
        mail
        for mail in mails
        if mail["subject"].startswith("Reconciliation findings") and stay.person.email in mail["to"]
    ]


async def test_what_is_left_is_mailed_once_and_logged_each_time(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    stay = await _at_odds(office)
    with caplog.at_level(logging.ERROR):
        await _run(office)
        await _run(office)
        late = await _at_odds(office)
        await _run(office)

    [mail] = await _told(stay)
    assert mail["subject"] == f"Reconciliation findings - {stay.booking_id}"
    assert "payment unknown" in mail["text"]
    assert mail["message_id"]
    assert not [word for word in stay.private if word in mail["text"] + mail["html"]]
    [other] = await _told(late)
    assert stay.booking_id not in other["text"]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    about = f"kind={Kind.PAYMENT_UNKNOWN} booking={stay.booking_id} subject=pi_unknown_{stay.booking_id}"
    assert [line.partition("left ")[2] for line in lines if stay.booking_id in line] == [about] * 3


async def test_what_was_gone_in_between_is_told_anew(office: Office) -> None:
    stay = await _at_odds(office)
    unknown = (await stay.row()).payment_intent_id
    await _run(office)
    await stay.set(payment_intent_id=(await stay.payments())[0]["id"])
    await _run(office)
    await stay.set(payment_intent_id=unknown)
    await _run(office)
    assert len({mail["message_id"] for mail in await _told(stay)}) == 2


async def test_while_no_mail_is_taken_the_next_run_tells(office: Office) -> None:
    stay = await _at_odds(office)
    await office.stand_ins.mail.order("RCPT *", "error_before", status=451, times=50)
    await _run(office)
    assert await _told(stay) == []
    await office.stand_ins.mail.heal()
    await _run(office)
    assert len(await _told(stay)) == 1


@pytest.mark.parametrize("fault", [("error_before", {"status": 452}), ("drop_before", {})])
async def test_who_took_a_report_is_not_mailed_again_for_a_colleague_whose_mailbox_did_not(
    office: Office, fault: tuple[str, Json]
) -> None:
    stay = await _at_odds(office)
    await stay.colleague("approver")
    kind, options = fault
    await office.stand_ins.mail.order("RCPT approver@*", kind, times=50, **options)
    await _run(office)
    await office.stand_ins.mail.heal()
    await _run(office)
    [mail] = await _told(stay)
    assert mail["to"] == [stay.person.email]


async def test_an_alarm_that_fails_stops_no_run_and_the_next_run_tells_what_is_new(
    office: Office, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_before = await _at_odds(office)
    await _run(office)
    new = await _at_odds(office)
    with monkeypatch.context() as patch:
        patch.setattr(Alarm, "raise_for", AsyncMock(side_effect=RuntimeError("no way to tell")))
        async with asyncio.timeout(20):
            tally = await _run(office)
    assert (tally.left, tally.complete) == (2, True)
    [failure] = [record for record in caplog.records if "could not tell" in record.getMessage()]
    assert failure.levelno == logging.ERROR

    await _run(office)
    assert len(await _told(told_before)) == 1
    assert len(await _told(new)) == 1


async def test_more_findings_than_a_statement_takes_parameters_are_told(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "reconciliation.alerts")
    stay = await office.draft()
    plan = Plan(run_id="run-of-many", started_at=utc_now())
    async with office.database.transaction() as db:
        await begin_run(db, plan)
        await db.execute(_MANY, {"run_id": plan.run_id, "known": stay.booking_id})
    await Alarm(office.database, office.emails()).raise_for(plan.run_id)
    assert len(await _told(stay)) == 1
    async with office.database.transaction() as db:
        found = await findings_of(db, plan.run_id)
    assert {row.booking_id for row in found if row.told} == {stay.booking_id}
    assert sum(row.told for row in found) == 33_000


_MANY = text("""
    insert into reconciliation_finding
        (run_id, kind, booking_id, subject, status, remedy, outcome, detail, found_at)
    select :run_id, 'payment_unknown', booking_id, subject, '', 'report', 'left', '', now()
    from generate_series(1, 33000) n,
        lateral (values (:known, 'pi_' || n), ('BK-' || n, '')) each (booking_id, subject)
""")


async def test_what_the_next_run_heals_calls_nobody_and_what_it_leaves_again_does(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """Stripe is away each time a page is to be closed: once for the first booking, twice for the second."""
    healed, left = await office.declined(), await office.declined()
    page = await healed.strange_page()
    await office.stripe.order(f"POST /v1/checkout/sessions/{page}/expire", "error_before", status=500)
    assert (await _run(office)).left == 1
    assert await _counted(office) == 0

    page = await left.strange_page()
    fault = f"POST /v1/checkout/sessions/{page}/expire"
    await office.stripe.order(fault, "error_before", status=500, times=2)
    tally = await _run(office)
    assert (tally.healed, tally.left) == (1, 1)
    assert await _counted(office) == 0
    assert not [record for record in caplog.records if "reconciliation left" in record.getMessage()]

    assert (await _run(office)).left == 1
    assert await _counted(office) == 1
    [line] = [record for record in caplog.records if "reconciliation left" in record.getMessage()]
    assert left.booking_id in line.getMessage()
    assert (len(await _told(healed)), len(await _told(left))) == (0, 1)


async def _counted(office: Office) -> int:
    """The gauge `reconciliation_findings_left`."""
    async with office.database.reading() as db:
        return await count_left(db)


async def test_an_operators_own_run_mails_nobody_and_keeps_nothing_from_the_schedules(office: Office) -> None:
    stay = await _at_odds(office)
    exit_status, _ = await office.reconcile()
    assert exit_status == 1
    assert await _told(stay) == []
    await _run(office)
    assert len(await _told(stay)) == 1
