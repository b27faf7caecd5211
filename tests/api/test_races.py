"""Decisions that meet each other, or a Stripe that is slow, refuses, or has moved on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import httpx

from domain.roles import Role
from sandbox.drivers import GuestDriver, wait_until
from tests.api.hotels import HotelDriver
from tests.api.outcomes import money, settled
from tests.api.problems import assert_problem
from tests.api.rows import commands_of
from tests.api.stack import PATIENCE_S

_LET_WAIT_S = 4.9
"""A little less than five seconds: clocks differ."""


async def test_stripe_takes_its_time(hotel: HotelDriver) -> None:
    """202 after five seconds: the decision is safe and under way, shown as pending, and comes out by itself."""
    guest, staff = await hotel.held(), await hotel.staff()
    await hotel.stack.stand_ins.stripe.order("POST /v1/payment_intents/*/capture", "hang")
    begun = time.monotonic()
    approval = asyncio.create_task(staff.approve(guest.booking_id))
    await wait_until(
        guest.read_booking,
        lambda booking: booking["pending_decision"] == "approve",
        what="a decision under way",
    )
    problem = assert_problem(await guest.cancel(), 409, "decision_in_progress")
    assert problem["booking"]["status"] == "PENDING_APPROVAL"
    answer = await approval
    assert _LET_WAIT_S < time.monotonic() - begun < 12
    assert (answer.status_code, answer.json()["settled"]) == (202, False)
    assert (answer.json()["status"], answer.json()["pending_decision"]) == ("PENDING_APPROVAL", "approve")
    booking = await guest.until("CONFIRMED", timeout_s=PATIENCE_S)
    assert (booking["decision_made_by"], booking["pending_decision"]) == (staff.email, None)
    assert await money(hotel, guest) == ("succeeded", 15000, 0, 1)


def assert_waited(response: httpx.Response) -> None:
    """Check that every 202 came after the full wait for an outcome."""
    assert response.json()["settled"] is False
    assert response.elapsed.total_seconds() >= _LET_WAIT_S


async def test_more_people_than_temporal_lets_wait(hotel: HotelDriver) -> None:
    """Ten may wait for one workflow at a time; the others hear of the outcome all the same."""
    guest, staff = await hotel.held(), await hotel.staff()
    await hotel.stack.stand_ins.stripe.order("POST /v1/payment_intents/*/capture", "delay", delay_s=3.5)
    for response in await asyncio.gather(*(staff.approve(guest.booking_id) for _ in range(14))):
        if response.status_code == 202:
            assert_waited(response)
        else:
            assert settled(response)["status"] == "CONFIRMED"
    assert await money(hotel, guest) == ("succeeded", 15000, 0, 1)


async def test_twenty_at_once(hotel: HotelDriver, second_api: str) -> None:
    """Ten approve and ten decline over two API processes: one outcome, one step on the money, honest answers."""
    guest = await hotel.held()
    people = [await hotel.staff(), await hotel.staff(Role.MANAGER)]
    own = f"/api/staff/hotel/{hotel.slug}/room-bookings/{guest.booking_id}/"

    async def decide(number: int) -> tuple[str, httpx.Response]:
        decision = ("approve", "decline")[number % 2]
        api = (hotel.stack.api, second_api)[number // 2 % 2]
        headers = {"Authorization": f"Bearer {people[number % 3 % 2].token}"}
        return decision, await hotel.stack.http.post(f"{api}{own}{decision}/", headers=headers)

    answers = await asyncio.gather(*(decide(number) for number in range(20)))
    booking = await guest.read_booking() | {"attention": []}
    won = {"CONFIRMED": "approve", "DECLINED": "decline"}[booking["status"]]
    for decision, response in answers:
        if response.status_code == 202:
            assert_waited(response)
        elif decision == won:
            assert settled(response) == booking
        else:
            assert assert_problem(response, 409, "already_decided")["booking"] == booking
    assert booking["version"] == 4
    if won == "approve":
        assert await money(hotel, guest) == ("succeeded", 15000, 0, 1)
    else:
        assert await money(hotel, guest) == ("canceled", 0, 0, 0)
    outcomes = Counter(command.outcome for command in await commands_of(hotel.stack, guest.booking_id))
    assert set(outcomes) <= {"settled", "already_decided", "not_sent"}


async def test_guest_and_staff_at_once(hotel: HotelDriver) -> None:
    """A cancellation that meets an approval: whichever comes first, the money follows the status."""
    guest, staff = await hotel.held(), await hotel.staff()
    cancellation, approval = await asyncio.gather(guest.cancel(), staff.approve(guest.booking_id))
    booking = await guest.read_booking()
    status, received, refunded, _ = await money(hotel, guest)
    if booking["status"] == "CONFIRMED":
        assert_problem(cancellation, 409, "decision_in_progress")
        shown_to_staff = settled(approval)
        assert {field: shown_to_staff[field] for field in booking} == booking
        assert (status, received, refunded) == ("succeeded", 15000, 0)
    else:
        assert booking["status"] == "CANCELLED"
        assert settled(cancellation)["status"] == "CANCELLED"
        assert approval.status_code in {200, 409}
        assert status == "canceled" or refunded == received


async def stuck(hotel: HotelDriver) -> GuestDriver:
    """Someone whose booking was approved while Stripe refused to capture, with the hold alive."""
    guest, staff = await hotel.held(), await hotel.staff()
    await hotel.stack.stand_ins.stripe.order(
        "POST /v1/payment_intents/*/capture", "error_before", status=403, times=None
    )
    answer = await staff.approve(guest.booking_id)
    assert (answer.status_code, answer.json()["settled"]) == (202, False)
    booking = await wait_until(
        guest.read_booking, lambda seen: seen["needs_attention"], what="the call for a person"
    )
    assert (booking["status"], booking["pending_decision"]) == ("PENDING_APPROVAL", "approve")
    return guest


async def test_a_final_error_of_stripe(hotel: HotelDriver) -> None:
    """202, and the booking needs attention; a repeat is in progress, too; another decision is free to come."""
    guest = await stuck(hotel)
    manager = await hotel.staff(Role.MANAGER)
    problem = assert_problem(await manager.approve(guest.booking_id), 409, "decision_in_progress")
    assert problem["booking"]["needs_attention"] is True
    await hotel.stack.stand_ins.clear_faults()
    booking = settled(await manager.decline(guest.booking_id))
    assert (booking["status"], booking["needs_attention"]) == ("DECLINED", False)
    assert await money(hotel, guest) == ("canceled", 0, 0, 0)


async def test_staff_read_the_reasons_and_guests_do_not(hotel: HotelDriver) -> None:
    """A guest's page says that the hotel looks into it; what Stripe answered is the hotel's own matter."""
    guest, staff = await stuck(hotel), await hotel.staff(Role.VIEWER)
    booking = await staff.read_booking(guest.booking_id)
    [reason] = booking["attention"]
    assert set(reason) == {"code", "detail", "since"}
    assert reason["code"] == "stripe_key_rejected"
    assert reason["detail"].startswith(f"{booking['payment_intent_id']}: Stripe: HTTP 403")
    assert reason["since"] == booking["timeline"][-1]["at"]
    [listed] = (await staff.ask("GET", "")).json()["items"]
    assert listed == booking
    own = await guest.read_booking()
    assert own == {name: value for name, value in booking.items() if name != "attention"}
    await hotel.stack.stand_ins.clear_faults()
    settled(await (await hotel.staff()).approve(guest.booking_id))
    assert (await staff.read_booking(guest.booking_id))["attention"] == []


async def test_a_repeat_carries_out_what_got_stuck(hotel: HotelDriver) -> None:
    """Once Stripe takes the capture the repeat is settled, and the decision keeps its first author."""
    guest = await stuck(hotel)
    await hotel.stack.stand_ins.clear_faults()
    booking = settled(await (await hotel.staff(Role.MANAGER)).approve(guest.booking_id))
    assert (booking["status"], booking["needs_attention"]) == ("CONFIRMED", False)
    assert booking["decision_made_by"] == hotel.email(Role.APPROVER)
    assert await money(hotel, guest) == ("succeeded", 15000, 0, 1)


async def test_a_repeat_that_finds_the_hold_gone(hotel: HotelDriver) -> None:
    """A repeated approval of a booking that turns out lost is not called settled."""
    guest = await stuck(hotel)
    stripe = hotel.stack.stand_ins.stripe
    for kind in ("payment_intent.canceled", "charge.*"):
        await stripe.order(f"WEBHOOK {kind}", "drop", times=None)
    payment = (await hotel.stack.client.payment(guest.booking_id))["id"]
    await hotel.stack.client.dashboard(f"payment_intents/{payment}/cancel")
    problem = assert_problem(await (await hotel.staff()).approve(guest.booking_id), 409, "already_decided")
    assert problem["booking"]["reason_code"] == "AUTHORIZATION_EXPIRED"
