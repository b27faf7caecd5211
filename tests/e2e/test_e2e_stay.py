"""The rows of the status table after confirmation, on the whole stack."""

from __future__ import annotations

from sandbox.people import Guest, Stay, World, wait_until
from tests.e2e.told import GUEST, Team, events, held, last_step, mail, published
from tests.whole import HOTEL, LATE_FEE_PERCENT

SOON_DAYS = 1
"""So close to check-in that cancelling costs something."""


async def _confirmed(world: World, team: Team, days_ahead: int = 30) -> Guest:
    guest = await Guest.book(world, Stay(HOTEL, days_ahead=days_ahead), GUEST)
    await held(guest)
    answer = await team.approver.approve(guest.booking_id)
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    return guest


async def test_guest_cancels_in_good_time(world: World, team: Team) -> None:
    """Free of charge: everything goes back, and the mail says how much."""
    guest = await _confirmed(world, team)
    answer = await guest.cancel()
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    booking = await guest.look()
    assert last_step(booking) == ("CONFIRMED", "CANCELLED", "cancelled_by_guest", "guest")
    assert booking["amount_refunded"] == booking["amount_captured"] == booking["amount"]
    payment = await world.payment(guest.booking_id)
    assert payment["refunded"] == payment["amount_received"] == payment["amount"]
    await published(world, booking)
    told = await mail(world, guest.booking_id, f"Booking Cancelled - {guest.booking_id}")
    assert booking["amount"].removesuffix(".00") in told["text"]
    assert (await guest.cancel()).status_code == 200, "a repeat is answered with the first one's data"
    assert (await world.payment(guest.booking_id))["refunded"] == payment["amount"]


async def test_staff_cancel_late(world: World, team: Team) -> None:
    """A manager cancels close to check-in: the policy's fee stays, the rest goes back, and only once."""
    guest = await _confirmed(world, team, days_ahead=SOON_DAYS)
    assert (await team.approver.cancel(guest.booking_id)).status_code == 403
    answer = await team.manager.cancel(guest.booking_id)
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    booking = await guest.look()
    assert last_step(booking) == ("CONFIRMED", "CANCELLED", "cancelled_by_staff", team.manager.email)
    payment = await world.payment(guest.booking_id)
    fee = payment["amount"] * LATE_FEE_PERCENT // 100
    assert payment["refunded"] == payment["amount"] - fee
    assert booking["amount_refunded"] == f"{(payment['amount'] - fee) / 100:.2f}"
    await published(world, booking)
    await mail(world, guest.booking_id, f"Booking Cancelled - {guest.booking_id}")


async def test_staff_cancel_only_what_is_confirmed(world: World, team: Team) -> None:
    """Staff decline a request; they do not cancel it."""
    guest = await Guest.book(world, Stay(HOTEL), GUEST)
    await held(guest)
    answer = await team.manager.cancel(guest.booking_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_cancellable"), answer.text
    assert (await guest.look())["status"] == "PENDING_APPROVAL"


async def test_refund_in_the_dashboard(world: World, team: Team) -> None:
    """A refund somebody makes at Stripe is put on record; a cancellation then refunds the rest only."""
    guest = await _confirmed(world, team)
    intent_id = (await guest.look())["payment_intent_id"]
    await world.dashboard(f"payment_intents/{intent_id}/refund", {"amount": 1000})
    booking = await wait_until(
        guest.look, lambda b: events(b)[-1] == "refund_recorded", what="the refund to be recorded"
    )
    assert (booking["status"], booking["amount_refunded"]) == ("CONFIRMED", "10.00")
    assert last_step(booking)[3] == "stripe"
    await published(world, booking)
    assert (await guest.cancel()).status_code == 200
    payment = await world.payment(guest.booking_id)
    assert payment["refunded"] == payment["amount"]


async def test_dispute(world: World, team: Team) -> None:
    """A dispute changes no status; it is on record and staff are told."""
    guest = await _confirmed(world, team)
    payment = await world.payment(guest.booking_id)
    await world.dashboard(f"charges/{payment['charge']}/dispute")
    booking = await wait_until(
        guest.look, lambda b: "dispute_recorded" in events(b), what="the dispute to be recorded"
    )
    assert booking["status"] == "CONFIRMED"
    await published(world, booking)

    async def to_staff() -> set[str]:
        mails = await world.mails(guest.booking_id)
        return {
            to
            for mail in mails
            for to in mail["to"]
            if to == team.manager.email and "New" not in mail["subject"]
        }

    await wait_until(to_staff, len, what="staff to be told of the dispute")
