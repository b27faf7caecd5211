"""`resolve` says what was done: the guest was paid elsewhere, the cancellation is withdrawn, or nothing is owed."""

from __future__ import annotations

import pytest

from domain.attention import AttentionCode
from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from tests.workflows.attention import REFUNDED
from tests.workflows.booking_driver import PENDING_REFUNDS_CARD, BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import REFUND, refuse
from tests.workflows.situations import captured_in_part, leave_unmatched_payment_stuck, unrefunded

UNREFUNDED = ("succeeded", TOTAL_MINOR, 0)
NOTE = "The rate you booked cannot be refunded; please call us."


# --- paid elsewhere ---


async def test_money_paid_elsewhere_carries_the_cancellation_out(harness: WorkflowHarness) -> None:
    booking, command_id = await unrefunded(harness)
    assert (await booking.resolve(paid_elsewhere_minor=TOTAL_MINOR)).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    row = await booking.row()
    assert (row.status, row.amount_paid_elsewhere_minor) == (Status.CANCELLED, TOTAL_MINOR)
    assert row.amount_refunded_minor == 0
    assert await booking.money() == UNREFUNDED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert (await booking.events())[-2:] == [Event.PAID_ELSEWHERE, Event.CANCELLED_BY_GUEST]
    [told] = [mail for mail in await booking.mails(booking.guest_email) if "Cancelled" in mail["subject"]]
    assert "The hotel has paid you €150.00 by other means than your card." in told["text"]
    assert "is kept" not in told["text"]
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.is_over()
    assert await booking.money() == UNREFUNDED, "nothing is refunded as well"


async def test_part_paid_elsewhere_leaves_the_rest_owed(harness: WorkflowHarness) -> None:
    booking, _ = await unrefunded(harness)
    part = await booking.resolve(paid_elsewhere_minor=5000)
    assert part.outcome is CommandOutcome.NEEDS_ATTENTION
    assert await booking.status() is Status.CONFIRMED
    assert (await booking.row()).amount_paid_elsewhere_minor == 5000
    too_much = await booking.resolve(paid_elsewhere_minor=TOTAL_MINOR - 4999)
    assert too_much.outcome is CommandOutcome.MORE_THAN_OWED
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR - 5000)


async def test_only_what_the_policy_owes_may_be_paid_elsewhere(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed(late_cancel_fee_percent=30)
    await harness.advance_to(booking.terms.free_cancel_until)
    await refuse(harness, REFUND)
    await booking.cancel()
    await harness.wait_until_idle()
    due = TOTAL_MINOR * 70 // 100
    result = await booking.resolve(paid_elsewhere_minor=due + 1)
    assert result.outcome is CommandOutcome.MORE_THAN_OWED
    assert (await booking.row()).amount_paid_elsewhere_minor == 0
    assert (await booking.resolve(paid_elsewhere_minor=due)).outcome is CommandOutcome.SETTLED
    assert await booking.status() is Status.CANCELLED


async def test_money_paid_elsewhere_is_refused_where_nothing_is_owed(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    assert (await booking.resolve(paid_elsewhere_minor=1)).outcome is CommandOutcome.NOTHING_OWED
    stuck, _ = await unrefunded(harness)
    await stuck.dashboard("refund")
    assert (await stuck.resolve(paid_elsewhere_minor=1)).outcome is CommandOutcome.NOTHING_OWED
    assert (await stuck.row()).amount_paid_elsewhere_minor == 0
    assert (await stuck.resolve()).outcome is CommandOutcome.SETTLED
    assert await stuck.status() is Status.CANCELLED


@pytest.mark.parametrize("form", [{"paid_elsewhere_minor": 1000}, {"withdraw": True, "note": NOTE}])
async def test_both_are_refused_while_a_refund_is_pending(
    harness: WorkflowHarness, form: dict[str, int]
) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay(PENDING_REFUNDS_CARD)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    await booking.approve()
    await refuse(harness, REFUND)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    await booking.dashboard("refund", {"amount": 2000})
    result = await booking.resolve(**form)  # type: ignore[arg-type]
    assert result.outcome is CommandOutcome.REFUND_PENDING
    row = await booking.row()
    assert (row.status, row.amount_paid_elsewhere_minor) == (Status.CONFIRMED, 0)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    await harness.webhooks.deliver()


async def test_part_paid_elsewhere_is_known_to_the_next_workflow(harness: WorkflowHarness) -> None:
    booking, _ = await unrefunded(harness)
    await booking.resolve(paid_elsewhere_minor=5000)
    await booking.lose_workflow()
    await booking.give_back_workflow()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR - 5000)


async def test_second_payment_that_was_paid_back_elsewhere_is_let_rest(harness: WorkflowHarness) -> None:
    """A refund would pay the guest twice; no later event of the payment makes one."""
    booking = await harness.held()
    [own] = (await booking.ledger())["payment_intents"]
    await booking.fill_in(await booking.unnoted_page())
    [second] = [i for i in (await booking.ledger())["payment_intents"] if i["id"] != own["id"]]
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/payment_intents/{second['id']}/capture", json={})
    await refuse(harness, REFUND, times=None)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    await harness.stand_ins.clear_faults()
    assert (await booking.resolve()).outcome is CommandOutcome.MONEY_AT_STAKE
    assert (await booking.resolve(paid_elsewhere_minor=TOTAL_MINOR)).outcome is CommandOutcome.SETTLED
    subject = {"type": "payment_intent.succeeded", "id": second["id"]}
    await harness.stripe.ask("POST", "/_sandbox/events", json=subject)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.intents() == [("requires_capture", 0, 0), UNREFUNDED]
    assert not await booking.attention()
    assert (await booking.row()).amount_paid_elsewhere_minor == TOTAL_MINOR


async def _two_captured_beside(harness: WorkflowHarness) -> BookingDriver:
    """A declined booking; two more payments of it were captured in part in the Dashboard, and no refund is possible."""
    booking = await harness.held()
    [own] = (await booking.ledger())["payment_intents"]
    for _ in range(2):
        await booking.fill_in(await booking.unnoted_page())
    for intent in (await booking.ledger())["payment_intents"]:
        if intent["id"] != own["id"]:
            path = f"/_sandbox/dashboard/payment_intents/{intent['id']}/capture"
            await harness.stripe.ask("POST", path, json={"amount": 5000})
    await refuse(harness, REFUND, times=None)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    await booking.decline()
    await harness.wait_until_idle()
    assert await booking.status() is Status.DECLINED
    return booking


async def test_money_paid_elsewhere_for_one_payment_leaves_another_owed(harness: WorkflowHarness) -> None:
    booking = await _two_captured_beside(harness)
    part = await booking.resolve(paid_elsewhere_minor=5000)
    assert part.outcome is CommandOutcome.NEEDS_ATTENTION
    assert await booking.attention_codes() == [AttentionCode.UNMATCHED_PAYMENT_KEPT]
    await harness.stand_ins.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    kept = sorted(intent[1] - intent[2] for intent in await booking.intents())
    assert kept == [0, 0, 5000], "one was paid elsewhere, the other refunded"


async def test_retry_refunds_no_part_that_was_paid_elsewhere(harness: WorkflowHarness) -> None:
    booking = await _two_captured_beside(harness)
    await booking.resolve(paid_elsewhere_minor=2000)
    await harness.stand_ins.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert sorted(intent[1] - intent[2] for intent in await booking.intents()) == [0, 0, 2000]
    assert not await booking.attention()


async def test_own_capture_that_does_not_match_may_be_paid_elsewhere(harness: WorkflowHarness) -> None:
    """The refund of a part captured in the Dashboard is refused for good; the booking ends all the same."""
    booking = await captured_in_part(harness)
    assert (await booking.resolve(paid_elsewhere_minor=5001)).outcome is CommandOutcome.MORE_THAN_OWED
    assert (await booking.resolve(paid_elsewhere_minor=5000)).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    row = await booking.row()
    assert (row.status, row.reason_code, row.amount_paid_elsewhere_minor) == (
        Status.DECLINED,
        ReasonCode.PAYMENT_MISMATCH,
        5000,
    )
    assert await booking.money() == ("succeeded", 5000, 0)
    assert not await booking.attention()


async def test_cancellation_before_the_hold_was_seen_ends_when_its_payment_is_paid_elsewhere(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    await booking.dashboard("capture")
    await harness.webhooks.lose()
    await refuse(harness, REFUND, times=None)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    assert (await booking.resolve(paid_elsewhere_minor=TOTAL_MINOR)).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == UNREFUNDED


async def test_payment_in_another_currency_is_not_paid_elsewhere(harness: WorkflowHarness) -> None:
    """The amount of a `resolve` is in the booking's currency: it says nothing about a debt in another one."""
    booking = await harness.held()
    [own] = (await booking.ledger())["payment_intents"]
    await booking.fill_in(await booking.unnoted_page(currency="usd"))
    [second] = [i for i in (await booking.ledger())["payment_intents"] if i["id"] != own["id"]]
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/payment_intents/{second['id']}/capture", json={})
    await refuse(harness, REFUND, times=None)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert (await booking.resolve(paid_elsewhere_minor=5000)).outcome is CommandOutcome.OTHER_CURRENCY
    assert await booking.attention_codes() == [AttentionCode.UNMATCHED_PAYMENT_KEPT]
    assert (await booking.row()).amount_paid_elsewhere_minor == 0
    await harness.stand_ins.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert (await harness.payment(second["id"]))["refunded"] == second["amount"]


# --- withdraw ---


async def test_withdrawn_cancellation_is_told_to_the_guest(harness: WorkflowHarness) -> None:
    booking, command_id = await unrefunded(harness)
    assert (await booking.resolve(withdraw=True, note=NOTE)).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    row = await booking.row()
    assert (row.status, row.reason_note) == (Status.CONFIRMED, NOTE)
    assert await booking.recorded_outcome(command_id) == CommandOutcome.ALREADY_DECIDED
    assert (await booking.events())[-2:] == [Event.CANCELLATION_WITHDRAWN, Event.ATTENTION_CLEARED]
    [told] = [
        mail for mail in await booking.mails(booking.guest_email) if "still confirmed" in mail["subject"]
    ]
    assert NOTE in told["text"]
    assert await booking.money() == UNREFUNDED


@pytest.mark.parametrize("lose", [False, True])
async def test_cancellation_after_a_withdrawn_one_costs_what_that_would_have(
    harness: WorkflowHarness, *, lose: bool
) -> None:
    """It was free then, and the fee applies now."""
    booking, _ = await unrefunded(harness, late_cancel_fee_percent=30)
    await booking.resolve(withdraw=True, note=NOTE)
    await harness.wait_until_idle()
    if lose:
        await booking.lose_workflow()
        await booking.give_back_workflow()
    await harness.advance_to(booking.terms.free_cancel_until)
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.money() == REFUNDED


async def test_nothing_to_withdraw(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    result = await booking.resolve(withdraw=True, note=NOTE)
    assert result.outcome is CommandOutcome.NOTHING_TO_WITHDRAW
    assert await booking.status() is Status.CONFIRMED


async def test_withdrawn_cancellation_of_staff_is_told_to_nobody(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    await refuse(harness, REFUND)
    command_id = await booking.send(Decision.CANCEL, ActorKind.STAFF)
    await booking.outcome(command_id)
    assert (await booking.resolve(withdraw=True, note=NOTE)).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert not [subject for subject in await booking.guest_subjects() if "still confirmed" in subject]


# --- neither ---


async def test_resolve_alone_keeps_a_cancellation_that_is_owed(harness: WorkflowHarness) -> None:
    booking, command_id = await unrefunded(harness)
    assert (await booking.resolve()).outcome is CommandOutcome.MONEY_AT_STAKE
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert await booking.attention_codes() == [AttentionCode.STRIPE_REFUSED]
    assert await booking.recorded_outcome(command_id) is None, "the guest was told that it is safe"
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    assert await booking.money() == REFUNDED


async def test_resolve_alone_closes_an_undeliverable_mail(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    rule = f"RCPT {booking.guest_email}"
    await harness.stand_ins.mail.order(rule, "error_before", status=550, times=None)
    await booking.approve()
    await harness.wait_until_idle()
    assert await booking.attention_codes() == [AttentionCode.EMAIL_FAILED]
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert not await booking.attention()
    harness.excused = "M8"


async def test_resolve_alone_closes_an_event_that_stripe_will_not_tell_about(
    harness: WorkflowHarness,
) -> None:
    """No money of the booking is at stake, and the operator has looked the payment up."""
    booking = await harness.confirmed()
    await booking.fill_in(await booking.unnoted_page())
    await refuse(harness, "GET /v1/payment_intents/*", times=None)
    await harness.webhooks.deliver("payment_intent.amount_capturable_updated")
    await harness.webhooks.lose()
    await harness.wait_until_idle()
    assert await booking.attention_codes() == [AttentionCode.EVENT_UNREAD]
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.stand_ins.clear_faults()
    harness.excused = "M3"  # the hold that nobody could see


async def test_resolve_alone_hides_no_other_reason(harness: WorkflowHarness) -> None:
    """Money at stake keeps every reason; the unmatched hold is released."""
    booking, _ = await unrefunded(harness)
    await leave_unmatched_payment_stuck(harness, booking)
    before = set(await booking.attention_codes())
    assert (await booking.resolve()).outcome is CommandOutcome.MONEY_AT_STAKE
    assert set(await booking.attention_codes()) == before
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.intents() == [REFUNDED, ("canceled", 0, 0)]
