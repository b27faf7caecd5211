"""The rows of the status table after confirmation, on the whole stack."""

from __future__ import annotations

from sandbox.drivers import GuestDriver, RoomRequest, StackClient, wait_until
from tests.e2e.observations import GUEST, HotelTeam, events, held, last_step, mail, published
from tests.whole_stack import HOTEL

SOON_DAYS = 1
"""So close to check-in that cancelling costs something."""


async def _confirmed(client: StackClient, team: HotelTeam, days_ahead: int = 30) -> GuestDriver:
    guest = await GuestDriver.book(client, RoomRequest(HOTEL, days_ahead=days_ahead), GUEST)
    await held(guest)
    answer = await team.approver.approve(guest.booking_id)
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    return guest


async def test_guest_cancels_in_good_time(client: StackClient, team: HotelTeam) -> None:
    """Free of charge: everything goes back, and the mail says how much."""
    guest = await _confirmed(client, team)
    answer = await guest.cancel()
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    booking = await guest.read_booking()
    assert last_step(booking) == ("CONFIRMED", "CANCELLED", "cancelled_by_guest", "guest")
    assert booking["amount_refunded"] == booking["amount_captured"] == booking["amount"]
    payment = await client.payment(guest.booking_id)
    assert payment["refunded"] == payment["amount_received"] == payment["amount"]
    await published(client, booking)
    message = await mail(client, guest.booking_id, f"Booking Cancelled - {guest.booking_id}")
    assert booking["amount"].removesuffix(".00") in message["text"]
    assert (await guest.cancel()).status_code == 200, "a repeat is answered with the first one's data"
    assert (await client.payment(guest.booking_id))["refunded"] == payment["amount"]


async def test_staff_cancel_late(client: StackClient, team: HotelTeam) -> None:
    """A manager cancels close to check-in: by default the guest is refunded in full, whatever the policy, and once."""
    guest = await _confirmed(client, team, days_ahead=SOON_DAYS)
    assert (await team.approver.cancel(guest.booking_id)).status_code == 403
    answer = await team.manager.cancel(guest.booking_id)
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    booking = await guest.read_booking()
    assert last_step(booking) == ("CONFIRMED", "CANCELLED", "cancelled_by_staff", team.manager.email)
    payment = await client.payment(guest.booking_id)
    assert payment["refunded"] == payment["amount"]
    assert booking["amount_refunded"] == booking["amount_captured"]
    await published(client, booking)
    await mail(client, guest.booking_id, f"Booking Cancelled - {guest.booking_id}")


async def test_staff_cancel_only_what_is_confirmed(client: StackClient, team: HotelTeam) -> None:
    """Staff decline a request; they do not cancel it."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    await held(guest)
    answer = await team.manager.cancel(guest.booking_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_cancellable"), answer.text
    assert (await guest.read_booking())["status"] == "PENDING_APPROVAL"


async def test_refund_in_the_dashboard(client: StackClient, team: HotelTeam) -> None:
    """A refund someone makes at Stripe is put on record; a cancellation then refunds the rest only."""
    guest = await _confirmed(client, team)
    intent_id = (await guest.read_booking())["payment_intent_id"]
    await client.dashboard(f"payment_intents/{intent_id}/refund", {"amount": 1000})
    booking = await wait_until(
        guest.read_booking, lambda b: events(b)[-1] == "refund_recorded", what="the refund to be recorded"
    )
    assert (booking["status"], booking["amount_refunded"]) == ("CONFIRMED", "10.00")
    assert last_step(booking)[3] == "stripe"
    await published(client, booking)
    assert (await guest.cancel()).status_code == 200
    payment = await client.payment(guest.booking_id)
    assert payment["refunded"] == payment["amount"]


async def test_dispute(client: StackClient, team: HotelTeam) -> None:
    """A dispute changes no status; it is recorded and staff are notified."""
    guest = await _confirmed(client, team)
    payment = await client.payment(guest.booking_id)
    await client.dashboard(f"charges/{payment['charge']}/dispute")
    booking = await wait_until(
        guest.read_booking, lambda b: "dispute_recorded" in events(b), what="the dispute to be recorded"
    )
    assert booking["status"] == "CONFIRMED"
    await published(client, booking)

    async def to_staff() -> set[str]:
        mails = await client.mails(guest.booking_id)
        return {
            to
            for mail in mails
            for to in mail["to"]
            if to == team.manager.email and "New" not in mail["subject"]
        }

    await wait_until(to_staff, len, what="staff to be told of the dispute")
