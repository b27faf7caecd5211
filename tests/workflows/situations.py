"""Situations in which several tests, and recordings, begin."""

from __future__ import annotations

from domain.booking import ActorKind, Decision, Status
from domain.decisions import CommandOutcome
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, REFUND, refuse
from tests.workflows.servers import Json


def event_about_nobody(booking: BookingDriver, event_id: str) -> Json:
    """An event that names a booking and a payment unknown to Stripe."""
    payment = {
        "object": "payment_intent",
        "id": "pi_of_nobody",
        "metadata": {"booking_id": booking.booking_id},
    }
    return {"id": event_id, "type": "payment_intent.amount_capturable_updated", "data": {"object": payment}}


async def ended_unpaid(harness: WorkflowHarness, how: Status) -> BookingDriver:
    """A booking that ended unpaid."""
    booking = await harness.submitted(payment_window_s=3600)
    if how is Status.CANCELLED:
        await booking.cancel()
    else:
        await harness.advance(minutes=61)
    await harness.wait_until_idle()
    assert await booking.status() is how
    assert await booking.is_over()
    return booking


async def captured_in_part_unheard(harness: WorkflowHarness) -> BookingDriver:
    """Captured in part in the Dashboard before the booking has looked, and Stripe refuses the refund."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    await booking.dashboard("capture", {"amount": 5000})
    await refuse(harness, REFUND, times=None)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    return booking


async def notice_refused(harness: WorkflowHarness) -> BookingDriver:
    """Staff were to hear of a payment of a wrong amount, which went back, and no mailbox of theirs took that."""
    booking = await harness.submitted()
    await booking.open_page()
    mailboxes = f"RCPT *@{booking.terms.hotel_slug}.test"
    await harness.stand_ins.mail.order(mailboxes, "error_before", status=550, times=None)
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    return booking


async def held_and_mail_refused(harness: WorkflowHarness) -> BookingDriver:
    """The guest's mailbox refuses, this once, the mail that tells of the hold."""
    booking = await harness.submitted()
    await harness.stand_ins.mail.order(f"RCPT {booking.guest_email}", "error_before", status=550)
    await booking.place_hold()
    await harness.wait_until_idle()
    return booking


async def leave_unmatched_payment_stuck(
    harness: WorkflowHarness, booking: BookingDriver, **page: int
) -> None:
    """Someone pays on another page, and Stripe refuses to release that hold for a while."""
    await booking.fill_in(await booking.unnoted_page(**page))  # type: ignore[arg-type]
    await refuse(harness, CANCEL, times=None)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert (await booking.row()).needs_attention
    await harness.stand_ins.clear_faults()


async def cancelled_while_the_approval_is_written(harness: WorkflowHarness) -> tuple[BookingDriver, str]:
    """The card is charged, and the guest's page still says that cancelling costs nothing; also the command's id."""
    booking = await harness.held(check_in_days=1)
    harness.activity_faults.order("bookings.record", FaultMode.BEFORE, times=3, booking_id=booking.booking_id)
    await booking.send(Decision.APPROVE)

    async def is_charged() -> bool:
        # And the workflow has heard so: no capture is under way any more.
        is_captured = (await booking.money())[0] == "succeeded"
        return is_captured and (await booking.view()).pending_decision is None

    await harness.until(is_charged)
    command_id = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    await harness.advance(minutes=1)
    return booking, command_id


async def unrefunded(harness: WorkflowHarness, **terms: int) -> tuple[BookingDriver, str]:
    """A confirmed booking whose guest cancelled, and whose refund Stripe refused."""
    booking = await harness.confirmed(**terms)
    await refuse(harness, REFUND)
    command_id = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert (await booking.row()).needs_attention
    return booking, command_id


async def captured_in_part(harness: WorkflowHarness) -> BookingDriver:
    """A booking of which 5,000 was captured in the Dashboard, and whose refund Stripe refuses for good."""
    booking = await harness.held()
    await refuse(harness, REFUND, times=None)
    await booking.dashboard("capture", {"amount": 5000})
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    return booking


async def fail_newest_refund(harness: WorkflowHarness, booking: BookingDriver) -> None:
    """The bank sends the newest refund back, and the product hears of it."""
    made = (await booking.ledger())["refunds"][0]
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/refunds/{made['id']}/fail", json={})
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
