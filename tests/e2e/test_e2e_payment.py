"""The rows of the status table up to the hold, on the whole stack."""

from __future__ import annotations

import pytest

from sandbox.drivers import GuestDriver, RoomRequest, StackClient, wait_until
from tests.e2e.observations import GUEST, events, held, last_step, mail, published, staff_events, staff_mails
from tests.whole_stack import HASTY, HOTEL


async def test_draft_is_kept_until_submitted(client: StackClient) -> None:
    """A booking made with `submit: false` is a DRAFT; submitting it starts the workflow, and once only."""
    url = f"{client.at.api}/api/public/hotel/{HOTEL}/room-bookings/"
    made = await client.http.post(url, json=RoomRequest(HOTEL).as_json(GUEST) | {"submit": False})
    assert made.status_code == 201, made.text
    guest = GuestDriver(client, made.json())
    draft = await guest.read_booking()
    assert (draft["status"], draft["version"], events(draft)) == ("DRAFT", 1, ["created"])
    first, repeat = await guest.ask("POST", "submit/"), await guest.ask("POST", "submit/")
    assert (first.status_code, repeat.status_code) == (200, 200), first.text
    booking = await guest.read_booking()
    assert (booking["status"], booking["version"]) == ("PENDING_PAYMENT", 2)
    assert last_step(booking) == ("DRAFT", "PENDING_PAYMENT", "submitted", "guest")
    await published(client, booking)
    assert (await client.ledger(guest.booking_id))["sessions"] == []


async def test_hold_placed(client: StackClient) -> None:
    """Paying holds the card, charges nothing, and tells guest, staff and browsers."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL, nights=3), GUEST)
    booking = await held(guest)
    assert last_step(booking) == ("PENDING_PAYMENT", "PENDING_APPROVAL", "authorized", "guest")
    assert booking["decision_deadline"] is not None
    assert booking["amount_captured"] == "0.00"
    payment = await client.payment(guest.booking_id)
    assert payment["id"] == booking["payment_intent_id"] == booking["payment_reference"]
    assert payment["status"] == "requires_capture"
    assert payment["amount_capturable"] == payment["amount"] == round(float(booking["amount"]) * 100)
    await published(client, booking)
    [event] = await staff_events(client, guest.booking_id, "booking-requested")
    assert event["channel"] == f"private-staff-{HOTEL}"
    message = await mail(
        client, guest.booking_id, f"Payment authorized — awaiting hotel confirmation ({guest.booking_id})"
    )
    assert message["to"] == [GUEST["email"]]
    asked_people = await staff_mails(client, guest.booking_id, f"New booking request - {guest.booking_id}")
    assert asked_people == {f"{role}@{HOTEL}.test" for role in ("approver", "manager")}


async def test_open_page_is_reused(client: StackClient) -> None:
    """Asking twice for the payment page gives the same one; a declined card leaves it open."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    first, second = await guest.open_page(), await guest.open_page()
    assert (first["status"], second["status"]) == ("created", "existing")
    assert first["payment_url"] == second["payment_url"]
    refused = await guest.pay("4000000000000002")
    assert refused.status_code == 402
    assert (await guest.read_booking())["status"] == "PENDING_PAYMENT"
    await held(guest)
    assert len((await client.ledger(guest.booking_id))["sessions"]) == 1


async def test_payment_window_over(client: StackClient) -> None:
    """The guest does not pay in the payment window: EXPIRED, the page closed at Stripe, and the guest notified."""
    guest = await GuestDriver.book(client, RoomRequest(HASTY), GUEST)
    await guest.open_page()
    booking = await guest.until("EXPIRED")
    assert last_step(booking) == ("PENDING_PAYMENT", "EXPIRED", "payment_window_closed", "system")
    ledger = await client.ledger(guest.booking_id)
    assert [session["status"] for session in ledger["sessions"]] == ["expired"]
    assert (await guest.pay()).status_code == 410, "the closed page took a card"
    refused = await guest.ask("POST", "payment/session/", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_payable")
    await published(client, booking)
    assert (await mail(client, guest.booking_id, f"Booking Expired - {guest.booking_id}"))["to"]


@pytest.mark.parametrize("page_open", [False, True])
async def test_guest_cancels_before_paying(client: StackClient, page_open: bool) -> None:
    """A guest who has not paid may cancel; an open payment page is closed."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    if page_open:
        await guest.open_page()
    answer = await guest.cancel()
    assert (answer.status_code, answer.json()["settled"]) == (200, True), answer.text
    booking = await guest.read_booking()
    assert last_step(booking) == ("PENDING_PAYMENT", "CANCELLED", "cancelled_by_guest", "guest")
    ledger = await client.ledger(guest.booking_id)
    assert ledger["payment_intents"] == []
    assert [session["status"] for session in ledger["sessions"]] == (["expired"] if page_open else [])
    await published(client, booking)
    assert await client.mails(guest.booking_id) == []


async def test_lost_webhooks_are_made_good_by_verify(client: StackClient) -> None:
    """The guest returns from Stripe before any webhook: asking Stripe moves the booking at once."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    for event in ("checkout.session.completed", "payment_intent.amount_capturable_updated"):
        await client.fault(client.at.stripe, match=f"WEBHOOK {event}", kind="drop")
    await guest.pay()
    verified = await guest.verify()
    assert verified.status_code == 200, verified.text
    seen = verified.json()
    assert (seen["status"], seen["payment_status"]) == ("PENDING_APPROVAL", "authorized")
    assert "guest" not in seen
    assert (await guest.read_booking())["version"] == 3


async def test_lost_webhooks_are_made_good_by_asking_now_and_then(client: StackClient) -> None:
    """No guest returns and no webhook comes: the booking asks Stripe itself, every PAYMENT_POLL_S."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    for event in ("checkout.session.completed", "payment_intent.amount_capturable_updated"):
        await client.fault(client.at.stripe, match=f"WEBHOOK {event}", kind="drop")
    await guest.pay()
    booking = await guest.until("PENDING_APPROVAL")
    assert events(booking) == ["created", "submitted", "authorized"]


async def test_late_hold_for_an_ended_booking_is_released(client: StackClient) -> None:
    """A page whose link got lost is paid after the booking's end: the hold is released, the end stays."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    await client.fault(client.at.stripe, match="POST /v1/checkout/sessions", kind="error_after", status=500)
    answer = await guest.ask("POST", "payment/session/", json={})
    assert (answer.status_code, answer.json()["code"]) == (503, "stripe_unavailable")
    [session] = (await client.ledger(guest.booking_id))["sessions"]
    assert (await guest.cancel()).status_code == 200
    guest.payment_url = f"{client.at.stripe}/c/pay/{session['id']}"
    assert (await guest.pay()).status_code == 303
    payment = await wait_until(
        lambda: client.payment(guest.booking_id),
        lambda payment: payment["status"] == "canceled",
        what="the late hold to be released",
    )
    assert payment["released"] == payment["amount"]
    booking = await wait_until(
        guest.read_booking,
        lambda b: events(b)[-1] == "unmatched_payment_returned",
        what="its row in the timeline",
    )
    assert booking["status"] == "CANCELLED"
    await published(client, booking)
