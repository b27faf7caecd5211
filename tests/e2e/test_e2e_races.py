"""Many at once, twice, or in the wrong order: one outcome, and every message is true."""

from __future__ import annotations

import asyncio

from sandbox.drivers import GuestDriver, RoomRequest, StackClient, wait_until
from tests.e2e.observations import GUEST, HotelTeam, events, held, published
from tests.whole_stack import HOTEL

AUTHORIZING = ("checkout.session.completed", "payment_intent.amount_capturable_updated")


async def test_twenty_decisions_at_once(client: StackClient, team: HotelTeam) -> None:
    """Ten approve, ten decline: one outcome, one capture or one release, an honest answer to each."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    await held(guest)
    calls = [
        team.approver.approve(guest.booking_id) if turn % 2 else team.manager.decline(guest.booking_id)
        for turn in range(20)
    ]
    answers = await asyncio.gather(*calls)
    booking = await guest.until("CONFIRMED", "DECLINED")
    status = booking["status"]
    assert len(booking["timeline"]) == 4, events(booking)
    for turn, answer in enumerate(answers):
        body, won = answer.json(), status == ("CONFIRMED" if turn % 2 else "DECLINED")
        if answer.status_code == 202:
            assert body["settled"] is False
        elif won:
            assert (answer.status_code, body["settled"], body["status"]) == (200, True, status), answer.text
        else:
            assert (answer.status_code, body["code"]) == (409, "already_decided"), answer.text
            assert body["booking"]["status"] == status
    assert any(answer.status_code == 200 for answer in answers), "nobody was told of the outcome"
    payment = await client.payment(guest.booking_id)
    captured = status == "CONFIRMED"
    assert payment["captures"] == int(captured)
    assert payment["released"] == (0 if captured else payment["amount"])
    await published(client, booking)


async def test_guest_cancels_while_staff_approve(client: StackClient, team: HotelTeam) -> None:
    """Both at once: confirmed and the guest reads why, or cancelled with everything released or refunded."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    await held(guest)
    approved, cancelled = await asyncio.gather(team.approver.approve(guest.booking_id), guest.cancel())
    booking = await guest.until("CONFIRMED", "CANCELLED")
    payment = await client.payment(guest.booking_id)
    kept_minor = payment["amount_received"] - payment["refunded"]
    if booking["status"] == "CONFIRMED":
        assert approved.status_code == 200
        assert (cancelled.status_code, cancelled.json()["code"]) == (409, "decision_in_progress")
        assert (payment["captures"], kept_minor) == (1, payment["amount"])
    else:
        assert cancelled.status_code == 200, cancelled.text
        assert kept_minor == 0


async def test_same_webhook_ten_times_at_once(client: StackClient) -> None:
    """Ten deliveries of one event, all at once: all are answered 200, the booking changes once."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    await client.fault(client.at.stripe, match=f"WEBHOOK {AUTHORIZING[1]}", kind="drop")
    await client.fault(client.at.stripe, match=f"WEBHOOK {AUTHORIZING[0]}", kind="duplicate", copies=9)
    booking = await held(guest)

    async def outcomes() -> list[int]:
        rows = (await client.http.get(f"{client.at.stripe}/_sandbox/webhooks")).json()["deliveries"]
        ours = [row for row in rows if row["type"] == AUTHORIZING[0]]
        newest = ours[0]["event_id"]
        return [outcome for row in ours if row["event_id"] == newest for outcome in row["outcomes"]]

    answered = await wait_until(outcomes, lambda seen: len(seen) >= 10, what="ten answers")
    assert answered == [200] * 10
    booking = await guest.read_booking()
    assert events(booking) == ["created", "submitted", "authorized"]
    await published(client, booking)


async def test_same_change_under_two_events_and_in_the_wrong_order(
    client: StackClient, team: HotelTeam
) -> None:
    """The hold's events come reordered, and once more under other ids, before and after the decision."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    await client.fault(client.at.stripe, match=f"WEBHOOK {AUTHORIZING[1]}", kind="reorder", delay_s=2)
    await client.fault(client.at.stripe, match=f"WEBHOOK {AUTHORIZING[0]}", kind="duplicate_event")
    await held(guest)
    await team.approver.approve(guest.booking_id)
    payment = await client.payment(guest.booking_id)
    for event in AUTHORIZING:
        body = {"type": event, "id": payment["session"] if "session" in event else payment["id"]}
        (await client.http.post(f"{client.at.stripe}/_sandbox/events", json=body)).raise_for_status()

    async def pending() -> list[str]:
        rows = (await client.http.get(f"{client.at.stripe}/_sandbox/webhooks")).json()["deliveries"]
        return [row["event_id"] for row in rows if row["state"] == "pending"]

    await wait_until(pending, lambda seen: not seen, what="every event to be delivered")
    booking = await guest.read_booking()
    assert events(booking) == ["created", "submitted", "authorized", "approved"]
    payment = await client.payment(guest.booking_id)
    assert (payment["captures"], payment["refunded"]) == (1, 0)


async def test_same_booking_asked_for_twice(client: StackClient) -> None:
    """A repeat under the same Idempotency-Key is the same booking and token; another body is refused."""
    url = f"{client.at.api}/api/public/hotel/{HOTEL}/room-bookings/"
    body, headers = RoomRequest(HOTEL).as_json(GUEST), {"Idempotency-Key": f"twice-{id(client)}"}
    first, repeat = [await client.http.post(url, json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, repeat.status_code) == (201, 201), repeat.text
    assert first.json()["booking_id"] == repeat.json()["booking_id"]
    assert first.json()["access_token"] == repeat.json()["access_token"]
    other = await client.http.post(url, json=body | {"adults": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
