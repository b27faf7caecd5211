"""The rows of the status table from the hold to the decision, on the whole stack."""

from __future__ import annotations

from sandbox.drivers import GuestDriver, RoomRequest, StackClient
from tests.e2e.observations import (
    GUEST,
    HotelTeam,
    held,
    last_step,
    mail,
    nothing_held,
    published,
    staff_events,
    staff_mails,
)
from tests.whole_stack import HASTY, HOTEL


async def _asked(client: StackClient, hotel: str = HOTEL, hold_s: int | None = None) -> GuestDriver:
    guest = await GuestDriver.book(client, RoomRequest(hotel), GUEST)
    await held(guest, hold_s=hold_s)
    return guest


async def test_approved(client: StackClient, team: HotelTeam) -> None:
    """Staff approve: the hold is captured in full, once, and the guest gets a calendar file."""
    guest = await _asked(client)
    answer = await team.approver.approve(guest.booking_id)
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    booking = await guest.read_booking()
    assert last_step(booking) == ("PENDING_APPROVAL", "CONFIRMED", "approved", team.approver.email)
    assert booking["amount_captured"] == booking["amount"]
    assert booking["paid_at"] is not None
    assert booking["decision_made_by"] == team.approver.email
    payment = await client.payment(guest.booking_id)
    assert (payment["status"], payment["captures"]) == ("succeeded", 1)
    assert payment["amount_received"] == payment["amount"]
    await published(client, booking)
    confirmed = await mail(client, guest.booking_id, f"Booking Confirmed - {guest.booking_id}")
    [calendar] = confirmed["attachments"]
    assert calendar["filename"].endswith(".ics")
    assert calendar["text"].startswith("BEGIN:VCALENDAR")
    assert guest.booking_id in calendar["text"]


async def test_approved_although_the_hold_is_gone(client: StackClient, team: HotelTeam) -> None:
    """The hold was cancelled and no event arrived; the approval finds out, confirms nothing, and says so."""
    guest = await _asked(client)
    booking = await guest.read_booking()
    for event in ("payment_intent.canceled", "charge.expired"):
        await client.fault(client.at.stripe, match=f"WEBHOOK {event}", kind="drop")
    await client.dashboard(f"payment_intents/{booking['payment_intent_id']}/lapse")
    answer = await team.approver.approve(guest.booking_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_decided"), answer.text
    assert answer.json()["booking"]["status"] == "DECLINED"
    booking = await guest.read_booking()
    assert (booking["status"], booking["reason_code"]) == ("DECLINED", "AUTHORIZATION_EXPIRED")
    assert nothing_held(await client.payment(guest.booking_id))
    await published(client, booking)
    await mail(client, guest.booking_id, f"Booking Update - {guest.booking_id}")


async def test_declined_with_reason_and_note(client: StackClient, team: HotelTeam) -> None:
    """Staff decline: the hold is released, and the guest reads the note."""
    guest = await _asked(client)
    note = "We are full that week, sorry."
    answer = await team.approver.decline(guest.booking_id, "NO_AVAILABILITY", note)
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    booking = await guest.read_booking()
    assert last_step(booking) == ("PENDING_APPROVAL", "DECLINED", "declined", team.approver.email)
    assert (booking["reason_code"], booking["reason_note"]) == ("NO_AVAILABILITY", note)
    payment = await client.payment(guest.booking_id)
    assert (payment["status"], payment["released"]) == ("canceled", payment["amount"])
    await published(client, booking)
    message = await mail(client, guest.booking_id, f"Booking Update - {guest.booking_id}")
    assert note in message["text"]


async def test_a_colleague_repeats_the_decision(client: StackClient, team: HotelTeam) -> None:
    """The same decision again, by someone else, is 200 with the first one's data; the other one is 409."""
    guest = await _asked(client)
    await team.approver.approve(guest.booking_id)
    repeat = await team.manager.approve(guest.booking_id)
    assert (repeat.status_code, repeat.json()["decision_made_by"]) == (200, team.approver.email)
    other = await team.manager.decline(guest.booking_id)
    assert (other.status_code, other.json()["code"]) == (409, "already_decided")
    assert other.json()["booking"]["status"] == "CONFIRMED"


async def test_decision_before_the_hold_is_refused(client: StackClient, team: HotelTeam) -> None:
    """Nothing to approve before a card is held; the refused approval does not act later."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    early = await team.approver.approve(guest.booking_id)
    assert (early.status_code, early.json()["code"]) == (409, "not_authorized")
    booking = await held(guest)
    assert booking["pending_decision"] is None
    assert (await client.payment(guest.booking_id))["captures"] == 0


async def test_decision_deadline_over(client: StackClient) -> None:
    """The hotel does not answer in its own time: reminded, then APPROVAL_TIMEOUT, and released."""
    guest = await _asked(client, HASTY)
    booking = await guest.until("DECLINED")
    assert last_step(booking) == ("PENDING_APPROVAL", "DECLINED", "approval_timed_out", "system")
    assert booking["reason_code"] == "APPROVAL_TIMEOUT"
    assert nothing_held(await client.payment(guest.booking_id))
    await published(client, booking)
    [near] = await staff_events(client, guest.booking_id, "booking-deadline-near")
    assert near["channel"] == f"private-staff-{HASTY}"
    assert await staff_mails(client, guest.booking_id, f"Decision due - {guest.booking_id}")
    await mail(client, guest.booking_id, f"Booking Update - {guest.booking_id}")


async def test_hold_about_to_lapse(client: StackClient) -> None:
    """A short hold without a decision is released before the bank lets it lapse: AUTHORIZATION_EXPIRED."""
    guest = await _asked(client, hold_s=4)
    booking = await guest.until("DECLINED")
    assert last_step(booking)[2:] == ("approval_timed_out", "system")
    assert booking["reason_code"] == "AUTHORIZATION_EXPIRED"
    payment = await client.payment(guest.booking_id)
    assert payment["status"] == "canceled"
    assert payment["cancellation_reason"] == "abandoned", "the bank was quicker than the booking"
    await published(client, booking)


async def test_hold_cancelled_in_the_dashboard(client: StackClient) -> None:
    """Someone cancels the hold at Stripe: the booking is declined, and the guest notified."""
    guest = await _asked(client)
    intent_id = (await guest.read_booking())["payment_intent_id"]
    await client.dashboard(f"payment_intents/{intent_id}/cancel")
    booking = await guest.until("DECLINED")
    assert last_step(booking)[2:] == ("authorization_lost", "stripe")
    assert booking["reason_code"] == "AUTHORIZATION_EXPIRED"
    await published(client, booking)
    await mail(client, guest.booking_id, f"Booking Update - {guest.booking_id}")


async def test_hold_lapsed(client: StackClient) -> None:
    """The bank lets the hold go early: the booking is declined."""
    guest = await _asked(client)
    intent_id = (await guest.read_booking())["payment_intent_id"]
    await client.dashboard(f"payment_intents/{intent_id}/lapse")
    booking = await guest.until("DECLINED")
    assert booking["reason_code"] == "AUTHORIZATION_EXPIRED"
    assert nothing_held(await client.payment(guest.booking_id))
    await published(client, booking)


async def test_captured_in_full_in_the_dashboard(client: StackClient) -> None:
    """Someone captures the whole hold at Stripe: that is an approval, by `stripe`."""
    guest = await _asked(client)
    intent_id = (await guest.read_booking())["payment_intent_id"]
    await client.dashboard(f"payment_intents/{intent_id}/capture")
    booking = await guest.until("CONFIRMED")
    assert last_step(booking) == ("PENDING_APPROVAL", "CONFIRMED", "captured_outside", "stripe")
    assert booking["amount_captured"] == booking["amount"]
    await published(client, booking)
    await mail(client, guest.booking_id, f"Booking Confirmed - {guest.booking_id}")


async def test_captured_in_part_in_the_dashboard(client: StackClient) -> None:
    """A capture of another amount confirms nothing: PAYMENT_MISMATCH, and the money goes back."""
    guest = await _asked(client)
    intent_id = (await guest.read_booking())["payment_intent_id"]
    await client.dashboard(f"payment_intents/{intent_id}/capture", {"amount": 5000})
    booking = await guest.until("DECLINED")
    assert last_step(booking)[2:] == ("capture_mismatched", "stripe")
    assert booking["reason_code"] == "PAYMENT_MISMATCH"
    assert (booking["amount_captured"], booking["amount_refunded"]) == ("50.00", "50.00")
    payment = await client.payment(guest.booking_id)
    assert (payment["amount_received"], payment["refunded"]) == (5000, 5000)
    await published(client, booking)
    await mail(client, guest.booking_id, f"Booking Update - {guest.booking_id}")


async def test_guest_cancels_while_held(client: StackClient) -> None:
    """A guest may cancel while the hotel thinks about it: the hold is released."""
    guest = await _asked(client)
    answer = await guest.cancel()
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    booking = await guest.read_booking()
    assert last_step(booking) == ("PENDING_APPROVAL", "CANCELLED", "cancelled_by_guest", "guest")
    assert nothing_held(await client.payment(guest.booking_id))
    await published(client, booking)
    await mail(client, guest.booking_id, f"Booking Cancelled - {guest.booking_id}")


async def test_capture_answered_with_an_error_after_it_took_place(
    client: StackClient, team: HotelTeam
) -> None:
    """Stripe captures and answers 500: reading back shows the truth, the guest is charged once."""
    guest = await _asked(client)
    intent_id = (await guest.read_booking())["payment_intent_id"]
    fault = f"POST /v1/payment_intents/{intent_id}/capture"
    await client.fault(client.at.stripe, match=fault, kind="error_after", status=500)
    answer = await team.approver.approve(guest.booking_id)
    assert answer.status_code in {200, 202}, answer.text
    booking = await guest.until("CONFIRMED")
    assert booking["needs_attention"] is False
    payment = await client.payment(guest.booking_id)
    assert (payment["captures"], payment["amount_received"]) == (1, payment["amount"])


async def test_capture_answered_with_an_error_before_it_took_place(
    client: StackClient, team: HotelTeam
) -> None:
    """Stripe answers 500 and did nothing: it replays that for a day, so a new key captures, once."""
    guest = await _asked(client)
    intent_id = (await guest.read_booking())["payment_intent_id"]
    fault = f"POST /v1/payment_intents/{intent_id}/capture"
    await client.fault(client.at.stripe, match=fault, kind="error_before", status=500)
    await team.approver.approve(guest.booking_id)
    booking = await guest.until("CONFIRMED")
    assert booking["amount_captured"] == booking["amount"]
    assert (await client.payment(guest.booking_id))["captures"] == 1


async def test_roles(client: StackClient, team: HotelTeam) -> None:
    """A viewer reads and does not decide; staff of another hotel do not find the booking."""
    guest = await _asked(client, HASTY)
    assert (await team.approver.ask("GET", f"{guest.booking_id}/")).status_code == 404
    mine = await _asked(client)
    assert (await team.viewer.read_booking(mine.booking_id))["status"] == "PENDING_APPROVAL"
    assert (await team.viewer.approve(mine.booking_id)).status_code == 403
    queue = (await team.viewer.ask("GET", "", params={"status": "PENDING_APPROVAL", "limit": 100})).json()
    assert mine.booking_id in {item["booking_id"] for item in queue["items"]}
    assert (await mine.read_booking())["pending_decision"] is None
