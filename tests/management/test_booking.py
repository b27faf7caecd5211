"""`booking show`, `booking retry`, `booking resolve`: what operators see, and what comes of what they do."""

from __future__ import annotations

import pytest

from dispatch.events import start_stray
from domain.booking import ActorKind, Decision, Status
from domain.decisions import Verdict
from domain.messages import PaymentNews, StrayNews
from tests.management.office import Office, Stay, eventually

CAPTURE = "POST /v1/payment_intents/*/capture"
CANCEL = "POST /v1/payment_intents/*/cancel"
REFUND = "POST /v1/refunds"
UNKNOWN = "BK-00000-00000-00000"


@pytest.fixture(autouse=True)
async def no_faults_left(shared_office: Office) -> None:
    await shared_office.stripe.heal()


async def _refuse(office: Office, what: str) -> None:
    await office.stripe.order(what, "error_before", status=403, code="not_allowed", times=None)


async def _stuck_approval(office: Office) -> Stay:
    """Staff approved, and Stripe will not have it."""
    stay = await office.held()
    await _refuse(office, CAPTURE)
    assert (await stay.decide(Decision.APPROVE)).verdict is Verdict.NEEDS_ATTENTION
    await eventually("a call for help", lambda: _asks_for_help(stay))
    return stay


async def _stuck_stray(office: Office, *, captured: bool = False) -> Stay:
    """The guest paid when all was over, and Stripe will not have that given back."""
    stay = await office.declined()
    await stay.pay(await stay.strange_page())
    if captured:
        await stay.dashboard("capture")
    await _refuse(office, REFUND if captured else CANCEL)
    late = "succeeded" if captured else "requires_capture"
    [payment] = [found for found in await stay.payments() if found["status"] == late]
    news = PaymentNews("evt_late", "payment_intent.amount_capturable_updated", None, payment["id"])
    stray = StrayNews(stay.booking_id, stay.hotel.slug, news)
    await start_stray(office.client, office.settings.temporal_task_queue, stray)
    await eventually("a call for help", lambda: _asks_for_help(stay))
    return stay


async def _asks_for_help(stay: Stay) -> bool:
    return (await stay.row()).needs_attention is not None


# --- show ---


async def test_show_tells_the_story_and_keeps_the_guest_out_of_it(shared_office: Office) -> None:
    stay = await shared_office.held()
    said = await shared_office.done("booking", "show", stay.booking_id.lower())
    [payment] = await stay.payments()
    for expected in (
        f"Booking {stay.booking_id}",
        "PENDING_APPROVAL, version 3",
        "150.00 EUR: held, 0.00 captured, 0.00 refunded",
        f"https://dashboard.stripe.com/test/payments/{payment['id']}",
        "Decision deadline",
        "running: PENDING_APPROVAL, version 3, waits for the hotel's decision",
        "authorized",
        payment["session"],
        "Nothing: it waits for the hotel's decision.",
    ):
        assert expected in said
    for private in stay.private:
        assert private not in said
    assert "g…@example.com" in said


async def test_show_says_why_a_booking_needs_a_person_and_what_to_do(shared_office: Office) -> None:
    stay = await _stuck_approval(shared_office)
    said = await shared_office.done("booking", "show", stay.booking_id)
    assert "Stripe: HTTP 403, not_allowed" in said
    assert "mend STRIPE_SECRET_KEY, restart the workers, then `booking retry`" in said
    # The approval is still open: whoever settles this settles it as well.
    assert "approve" in said
    assert "not yet" in said


async def test_show_says_that_a_workflow_is_lost(shared_office: Office) -> None:
    stay = await shared_office.submitted()
    await stay.lose_workflow()
    said = await shared_office.done("booking", "show", stay.booking_id)
    assert "Its workflow is lost: `reconcile` gives it one back." in said


async def test_show_of_no_booking(shared_office: Office) -> None:
    result = await shared_office.run("booking", "show", UNKNOWN)
    assert (result.exit_code, result.stderr) == (1, f"There is no booking {UNKNOWN}.\n")
    result = await shared_office.run("booking", "show", "7")
    assert result.exit_code == 2
    assert "no booking id" in result.stderr


async def test_show_without_temporal_shows_what_the_database_has(shared_office: Office) -> None:
    stay = await shared_office.held()
    result = await shared_office.run("booking", "show", stay.booking_id, TEMPORAL_ADDRESS="127.0.0.1:9")
    assert result.exit_code == 3
    assert "PENDING_APPROVAL, version 3" in result.stdout
    assert "Temporal at 127.0.0.1:9 does not answer" in result.stdout


# --- retry and resolve ---


async def test_retry_carries_the_stuck_decision_out(shared_office: Office) -> None:
    stay = await _stuck_approval(shared_office)
    result = await shared_office.run("booking", "retry", stay.booking_id)
    assert result.exit_code == 1
    assert "still needs a person (PENDING_APPROVAL" in result.stderr
    await shared_office.stripe.heal()

    said = await shared_office.done("booking", "retry", stay.booking_id)

    assert "done, it needs nobody any more. It is CONFIRMED" in said
    row = await stay.row()
    assert (row.status, row.needs_attention, row.decision_made_by) == ("CONFIRMED", None, stay.person.email)
    [payment] = await stay.payments()
    assert (payment["captures"], payment["amount_received"]) == (1, 15000)
    said = await shared_office.done("booking", "show", stay.booking_id)
    assert "operator" in said
    assert "not yet" not in said


async def test_retry_refunds_what_was_captured_in_part_while_the_booking_had_no_workflow(
    shared_office: Office,
) -> None:
    """Reconciliation gives it one back, whose first look is refused the refund."""
    stay = await shared_office.held()
    await stay.lose_workflow()
    await stay.dashboard("capture", {"amount": 5000})
    await _refuse(shared_office, REFUND)
    await shared_office.reconcile()
    await eventually("a call for help", lambda: _asks_for_help(stay))
    await shared_office.stripe.heal()

    said = await shared_office.done("booking", "retry", stay.booking_id)

    assert "done, it needs nobody any more. It is DECLINED" in said
    assert (await stay.row()).reason_code == "PAYMENT_MISMATCH"
    [payment] = await stay.payments()
    assert (payment["amount_received"], payment["refunded"]) == (5000, 5000)


async def test_resolve_follows_what_was_done_in_the_dashboard(shared_office: Office) -> None:
    stay = await _stuck_approval(shared_office)
    await stay.dashboard("cancel")
    said = await shared_office.done("booking", "resolve", stay.booking_id)
    assert "done, it needs nobody any more. It is DECLINED" in said
    assert (await stay.row()).reason_code == "AUTHORIZATION_EXPIRED"


async def test_resolve_drops_a_stuck_decision_while_the_hold_stands(shared_office: Office) -> None:
    stay = await _stuck_approval(shared_office)
    said = await shared_office.done("booking", "resolve", stay.booking_id)
    assert "It is PENDING_APPROVAL" in said
    assert await stay.payments()
    await shared_office.stripe.heal()
    await stay.decide(Decision.DECLINE)
    assert await stay.status() is Status.DECLINED


async def test_resolve_of_a_guests_stuck_cancellation_follows_the_hold_they_cancelled_in_the_dashboard(
    shared_office: Office,
) -> None:
    stay = await shared_office.held()
    await _refuse(shared_office, CANCEL)
    assert (await stay.decide(Decision.CANCEL, ActorKind.GUEST)).verdict is Verdict.NEEDS_ATTENTION
    await eventually("a call for help", lambda: _asks_for_help(stay))
    result = await shared_office.run("booking", "resolve", stay.booking_id)
    assert result.exit_code == 1
    assert "still needs a person (PENDING_APPROVAL" in result.stderr

    await stay.dashboard("cancel")
    said = await shared_office.done("booking", "resolve", stay.booking_id)

    assert "done, it needs nobody any more. It is CANCELLED" in said


async def test_a_healthy_booking_has_nothing_to_retry(shared_office: Office) -> None:
    stay = await shared_office.held()
    said = await shared_office.done("booking", "retry", stay.booking_id)
    assert "nothing was stuck" in said
    assert await stay.status() is Status.PENDING_APPROVAL


async def test_retry_reaches_the_workflow_that_settles_stray_money(shared_office: Office) -> None:
    stay = await _stuck_stray(shared_office)
    exit_status, document = await shared_office.reconcile()
    [found] = [row for row in document["findings"] if row["booking_id"] == stay.booking_id]
    assert (exit_status, found["outcome"]) == (1, "left")
    assert "waits for `booking retry`" in found["detail"]

    result = await shared_office.run("booking", "retry", stay.booking_id)
    assert result.exit_code == 1
    assert "still needs a person (DECLINED" in result.stderr
    await shared_office.stripe.heal()
    said = await shared_office.done("booking", "retry", stay.booking_id)

    assert "done, it needs nobody any more. It is DECLINED" in said
    assert {payment["status"] for payment in await stay.payments()} == {"canceled"}
    assert "stray_payment_returned" in await stay.events()


async def test_resolve_leaves_stray_money_alone_that_was_given_back_by_hand(shared_office: Office) -> None:
    stay = await _stuck_stray(shared_office)
    await stay.dashboard("cancel")
    said = await shared_office.done("booking", "resolve", stay.booking_id)
    assert "done" in said
    assert (await stay.row()).needs_attention is None


@pytest.mark.parametrize("command", ["retry", "resolve"])
async def test_stray_money_that_was_refunded_in_the_dashboard_is_settled(
    shared_office: Office, command: str
) -> None:
    stay = await _stuck_stray(shared_office, captured=True)
    await stay.dashboard("refund")
    # Stripe refuses refunds still: nothing is asked of it, the payment is only read.
    assert "done" in await shared_office.done("booking", command, stay.booking_id)
    assert (await stay.row()).needs_attention is None
    assert sum(payment["refunded"] for payment in await stay.payments()) == 15000
    _, document = await shared_office.reconcile()
    assert [row for row in document["findings"] if row["booking_id"] == stay.booking_id] == []


async def test_without_a_workflow_the_operator_is_sent_to_reconcile(shared_office: Office) -> None:
    stay = await shared_office.submitted()
    await stay.lose_workflow()
    result = await shared_office.run("booking", "retry", stay.booking_id)
    assert result.exit_code == 1
    assert "has no running workflow" in result.stderr
    assert "reconcile" in result.stderr


async def test_a_draft_cannot_be_stuck(shared_office: Office) -> None:
    stay = await shared_office.draft()
    result = await shared_office.run("booking", "resolve", stay.booking_id)
    assert result.exit_code == 1
    assert "is a draft" in result.stderr


async def test_retry_of_no_booking_and_of_no_temporal(shared_office: Office) -> None:
    result = await shared_office.run("booking", "retry", UNKNOWN)
    assert (result.exit_code, result.stderr) == (1, f"There is no booking {UNKNOWN}.\n")
    stay = await shared_office.held()
    result = await shared_office.run("booking", "retry", stay.booking_id, TEMPORAL_ADDRESS="127.0.0.1:9")
    assert result.exit_code == 3
    assert result.stderr.startswith("Temporal at 127.0.0.1:9 does not answer as it should: ")
    assert result.stderr.count("\n") == 1


async def test_without_a_worker_retry_is_safe_and_says_so(shared_office: Office) -> None:
    stay = await _stuck_approval(shared_office)
    await shared_office.stop_worker()
    try:
        result = await shared_office.run("booking", "retry", stay.booking_id, "--wait-s", "1")
        assert result.exit_code == 4
        assert "is safe with its workflow" in result.stderr
    finally:
        await shared_office.stripe.heal()
        shared_office.start_worker()

    async def confirmed() -> bool:
        return await stay.status() is Status.CONFIRMED

    await eventually("the retry to be carried out", confirmed)
