"""`kill -9` in the middle of things: after a restart every booking comes to its right end.

A test has the stack of its xdist worker to itself, and brings back whatever it has killed.
"""

from __future__ import annotations

import asyncio

import pytest

from sandbox.drivers import GuestDriver, RoomRequest, StackClient, wait_until
from sandbox.stack import Stack
from tests.e2e.observations import GUEST, HotelTeam, events, held, published
from tests.whole_stack import HOTEL

ACTIVITY_TIMEOUT_S = 30
"""How long Temporal waits for an activity whose worker is gone: STRIPE_ATTEMPT in workflows/options.py."""


async def _struck(client: StackClient, count: int) -> None:
    async def hits() -> int:
        answer = await client.http.get(f"{client.at.stripe}/_sandbox/faults")
        return sum(fault["hits"] for fault in answer.json()["faults"])

    await wait_until(hits, lambda seen: seen >= count, what="the captures to hang")


@pytest.mark.timeout(150)
async def test_worker_killed_during_captures(client: StackClient, team: HotelTeam, stack: Stack) -> None:
    """One capture took place unanswered, the other has not begun: both end captured once."""
    guests = [await GuestDriver.book(client, RoomRequest(HOTEL), GUEST) for _ in range(2)]
    for guest, kind in zip(guests, ("hang_after", "hang"), strict=True):
        intent_id = (await held(guest))["payment_intent_id"]
        await client.fault(client.at.stripe, match=f"POST /v1/payment_intents/{intent_id}/capture", kind=kind)
    approvals = [asyncio.create_task(team.approver.approve(guest.booking_id)) for guest in guests]
    await _struck(client, 2)
    stack.kill("worker")
    for approval in await asyncio.gather(*approvals):
        assert (approval.status_code, approval.json()["settled"]) == (202, False), approval.text
    assert [(await guest.read_booking())["status"] for guest in guests] == ["PENDING_APPROVAL"] * 2
    stack.restart("worker")
    for guest in guests:
        booking = await guest.until("CONFIRMED", timeout_s=3 * ACTIVITY_TIMEOUT_S)
        assert booking["decision_made_by"] == team.approver.email
        payment = await client.payment(guest.booking_id)
        assert (payment["captures"], payment["amount_received"]) == (1, payment["amount"])
        await published(client, booking)


async def test_temporal_killed_while_a_booking_waits(
    client: StackClient, team: HotelTeam, stack: Stack
) -> None:
    """The server dies and comes back: the booking still waits for its decision, and takes it."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    await held(guest)
    stack.kill("temporal")
    away = await team.approver.approve(guest.booking_id)
    assert (away.status_code, away.json()["code"]) == (503, "temporal_unavailable"), away.text
    assert away.headers["Retry-After"]
    assert (await guest.read_booking())["status"] == "PENDING_APPROVAL"
    stack.restart("temporal")
    answer = await wait_until(
        lambda: team.approver.approve(guest.booking_id),
        lambda answer: answer.status_code != 503,
        what="Temporal",
    )
    assert answer.status_code in {200, 202}, answer.text
    booking = await guest.until("CONFIRMED")
    assert (await client.payment(guest.booking_id))["captures"] == 1
    await published(client, booking)


async def test_webhook_while_temporal_is_away(client: StackClient, stack: Stack) -> None:
    """The hold's webhook meets a product without Temporal: 503, nothing lost, and Stripe's retry heals it."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    await guest.open_page()
    stack.kill("temporal")
    paying = asyncio.create_task(guest.pay())

    async def outcomes() -> list[object]:
        rows = (await client.http.get(f"{client.at.stripe}/_sandbox/webhooks")).json()["deliveries"]
        pending = [row for row in rows if row["state"] == "pending"]
        return [outcome for row in pending for outcome in row["outcomes"]]

    seen = await wait_until(outcomes, len, what="a webhook to be refused")
    assert set(seen) == {503}
    stack.restart("temporal")
    assert (await paying).status_code == 303
    booking = await guest.until("PENDING_APPROVAL")
    assert events(booking) == ["created", "submitted", "authorized"]
    await published(client, booking)
