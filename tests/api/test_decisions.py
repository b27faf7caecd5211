"""Approve, decline, cancel: the caller's answer, and the money's end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx

from dispatch.message_converter import DATA_CONVERTER
from domain.booking import Status
from domain.identifiers import workflow_id
from domain.messages.signals import Command
from domain.roles import Role
from sandbox.drivers import GuestDriver
from tests.api.hotels import HotelDriver, midday_zone, open_hotel
from tests.api.outcomes import money, settled
from tests.api.problems import assert_problem
from tests.api.rows import commands_of, edit
from tests.api.stack import PATIENCE_S, ApiStack
from tests.workflows.servers import Json

_STAFF_CODES = ("NO_AVAILABILITY", "RATE_ERROR", "GUEST_REQUIREMENTS", "SUSPECTED_FRAUD", "OTHER")
_SYSTEM_CODES = ("APPROVAL_TIMEOUT", "AUTHORIZATION_EXPIRED", "PAYMENT_MISMATCH")


# --- approve ----------------------------------------------------------------------------------------------


async def test_approve(hotel: HotelDriver) -> None:
    """200 with the confirmed booking: captured once and in full, decided by the account that asked."""
    guest, staff = await hotel.held(), await hotel.staff()
    booking = settled(await staff.approve(guest.booking_id))
    assert booking == await staff.read_booking(guest.booking_id)
    assert booking == await guest.read_booking() | {"attention": []}
    assert (booking["status"], booking["version"]) == ("CONFIRMED", 4)
    assert (booking["amount_captured"], booking["amount_refunded"]) == ("150.00", "0.00")
    assert booking["decision_made_by"] == staff.email
    assert booking["decision_made_at"] == booking["paid_at"] == booking["timeline"][-1]["at"]
    assert booking["payment_reference"] == booking["payment_intent_id"]
    assert booking["pending_decision"] is None
    assert await money(hotel, guest) == ("succeeded", 15000, 0, 1)


async def test_repeating_an_approval(hotel: HotelDriver) -> None:
    """By whomever: 200 with the first one's data, and nothing is captured again."""
    guest = await hotel.held()
    approver, manager = await hotel.staff(), await hotel.staff(Role.MANAGER)
    first = settled(await approver.approve(guest.booking_id))
    for person in (approver, manager):
        assert settled(await person.approve(guest.booking_id)) == first
    assert first["decision_made_by"] == approver.email
    assert await money(hotel, guest) == ("succeeded", 15000, 0, 1)


# --- decline ----------------------------------------------------------------------------------------------


async def test_decline(hotel: HotelDriver) -> None:
    """200 with the declined booking: the hold is released, and the guest reads code and note."""
    staff, guests = await hotel.staff(), await several_held(hotel, len(_STAFF_CODES))
    note = "We are sorry.\nPlease try the week after – “really”."
    for guest, code in zip(guests, _STAFF_CODES, strict=True):
        booking = settled(await staff.decline(guest.booking_id, code, note))
        told = await guest.read_booking()
        assert told["reason_code"] == ("OTHER" if code == "SUSPECTED_FRAUD" else code)
        assert booking == told | {"attention": [], "reason_code": code}
        assert (booking["status"], booking["reason_code"], booking["reason_note"]) == ("DECLINED", code, note)
        assert (booking["decision_made_by"], booking["paid_at"]) == (staff.email, None)
        assert await money(hotel, guest) == ("canceled", 0, 0, 0)


async def several_held(hotel: HotelDriver, count: int) -> list[GuestDriver]:
    """Guests whose cards are held, all at once."""
    return await asyncio.gather(*(hotel.held() for _ in range(count)))


async def test_decline_without_a_reason(hotel: HotelDriver) -> None:
    """Code and note may be left out: OTHER, and no note."""
    bodies = (b"", b"{}", b"null", b'{"reason_note": " "}', b'{"reason_note": null}')
    staff, guests = await hotel.staff(), await several_held(hotel, len(bodies))
    for guest, body in zip(guests, bodies, strict=True):
        booking = settled(await decline(hotel, guest, staff.token, body))
        assert (booking["reason_code"], booking["reason_note"]) == ("OTHER", None)


async def decline(hotel: HotelDriver, guest: GuestDriver, token: str, body: bytes) -> httpx.Response:
    """Send these bytes as a decline."""
    url = f"{hotel.bookings_url}{guest.booking_id}/decline/".replace("/public/", "/staff/")
    headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": "application/json"} if body else {})
    return await hotel.stack.http.post(url, content=body, headers=headers)


async def test_the_longest_note(hotel: HotelDriver) -> None:
    """A thousand characters, not bytes."""
    guest, staff = await hotel.held(), await hotel.staff()
    note = "é" * 999 + "🛏"
    assert settled(await staff.decline(guest.booking_id, note=note))["reason_note"] == note


async def test_reasons_that_are_none(hotel: HotelDriver) -> None:
    """The system's own codes, unknown ones, notes too long or with control characters: 422, nothing is done."""
    guest, staff = await hotel.held(), await hotel.staff()
    bad: list[tuple[Json, str]] = [({"reason_code": code}, "reason_code") for code in _SYSTEM_CODES]
    bad += [
        ({"reason_code": "BAD_MOOD"}, "reason_code"),
        ({"reason_code": "other"}, "reason_code"),
        ({"reason_code": None}, "reason_code"),
        ({"reason_note": "x" * 1001}, "reason_note"),
        ({"reason_note": "nul \x00"}, "reason_note"),
        ({"reason_note": 7}, "reason_note"),
        ({"refund": True}, "refund"),
    ]
    for body, field in bad:
        response = await staff.ask("POST", f"{guest.booking_id}/decline/", json=body)
        assert_problem(response, 422, "invalid_request", field)
    for content in (b"[]", b'"x"', b"{", b"\xff"):
        assert_problem(await decline(hotel, guest, staff.token, content), 422, "invalid_request")
    assert (await guest.read_booking())["version"] == 3
    assert await commands_of(hotel.stack, guest.booking_id) == []


async def test_repeating_a_decline(hotel: HotelDriver) -> None:
    """200 with the first one's reason, whatever the second one gives."""
    guest, approver = await hotel.held(), await hotel.staff()
    first = settled(await approver.decline(guest.booking_id, "RATE_ERROR", "A wrong price"))
    second = await (await hotel.staff(Role.MANAGER)).decline(guest.booking_id, "OTHER", "Whatever")
    assert settled(second) == first
    assert (first["reason_code"], first["reason_note"]) == ("RATE_ERROR", "A wrong price")


# --- cancel -----------------------------------------------------------------------------------------------


async def test_the_guest_cancels_before_paying(hotel: HotelDriver) -> None:
    """The payment page is closed; nothing was held."""
    guest = await hotel.submitted()
    await guest.open_page()
    booking = settled(await guest.cancel())
    assert (booking["status"], booking["timeline"][-1]["event"]) == ("CANCELLED", "cancelled_by_guest")
    [session] = (await hotel.stack.client.ledger(guest.booking_id))["sessions"]
    assert session["status"] == "expired"
    assert settled(await guest.cancel()) == booking


async def test_the_guest_cancels_a_hold(hotel: HotelDriver) -> None:
    """The hold is released."""
    guest = await hotel.held()
    booking = settled(await guest.cancel())
    assert (booking["status"], booking["decision_made_by"]) == ("CANCELLED", None)
    assert await money(hotel, guest) == ("canceled", 0, 0, 0)


async def test_the_guest_cancels_a_confirmed_stay(stack: ApiStack) -> None:
    """Refunded by the hotel's policy: all of it while it is free, less the fee afterwards."""
    inn = await open_hotel(stack, late_cancel_fee_percent=30)
    early, late = await asyncio.gather(inn.confirmed(), inn.confirmed(days_ahead=1))
    assert settled(await early.cancel())["amount_refunded"] == "150.00"
    assert settled(await late.cancel())["amount_refunded"] == "105.00"
    assert await money(inn, early) == ("succeeded", 15000, 15000, 1)
    assert await money(inn, late) == ("succeeded", 15000, 10500, 1)


async def test_moment_and_status_of_asking_go_with_a_decision(hotel: HotelDriver) -> None:
    """They fix the cost of a cancellation, whenever a worker handles it."""
    guest = await hotel.held()
    settled(await guest.cancel())
    [row] = await commands_of(hotel.stack, guest.booking_id)
    handle = hotel.stack.temporal.get_workflow_handle(workflow_id(guest.booking_id))
    signals = [
        event.workflow_execution_signaled_event_attributes async for event in handle.fetch_history_events()
    ]
    [cancellation] = [signal for signal in signals if signal.signal_name == "cancel"]
    [command] = await DATA_CONVERTER.decode(cancellation.input.payloads, [Command])
    assert (command.command_id, command.issued_at) == (row.command_id, row.created_at)
    assert command.status_when_issued == row.status_when_issued == Status.PENDING_APPROVAL


async def test_a_stay_in_the_far_future(hotel: HotelDriver) -> None:
    """A timer longer than any clock counts holds up nothing."""
    guest = await hotel.confirmed(check_in="9999-12-01", check_out="9999-12-31")
    assert settled(await guest.cancel())["amount_refunded"] == "2250.00"


async def test_a_manager_cancels_a_confirmed_stay(hotel: HotelDriver) -> None:
    """200; the guest's own cancellation afterwards is a repeat, with the first one's data."""
    guest, manager = await hotel.confirmed(), await hotel.staff(Role.MANAGER)
    booking = settled(await manager.cancel(guest.booking_id))
    last = booking["timeline"][-1]
    assert (booking["status"], last["event"], last["actor"]) == (
        "CANCELLED",
        "cancelled_by_staff",
        manager.email,
    )
    assert settled(await guest.cancel()) | {"attention": []} == booking
    assert settled(await manager.cancel(guest.booking_id)) == booking
    assert await money(hotel, guest) == ("succeeded", 15000, 15000, 1)


# --- refused ----------------------------------------------------------------------------------------------


async def test_before_authorization(hotel: HotelDriver) -> None:
    """Nothing is held yet, so nothing can be decided; and it does not happen by itself later."""
    guest, staff = await hotel.submitted(), await hotel.staff()
    for response in (await staff.approve(guest.booking_id), await staff.decline(guest.booking_id)):
        problem = assert_problem(response, 409, "not_authorized")
        assert problem["booking"]["status"] == "PENDING_PAYMENT"
    assert_problem(await (await hotel.staff(Role.MANAGER)).cancel(guest.booking_id), 409, "not_cancellable")
    await guest.pay()
    booking = await guest.until("PENDING_APPROVAL", timeout_s=PATIENCE_S)
    assert booking["pending_decision"] is None


async def test_decided_otherwise(hotel: HotelDriver) -> None:
    """The second person with another decision reads the booking's outcome."""
    staff, manager = await hotel.staff(), await hotel.staff(Role.MANAGER)
    approved, declined, cancelled = await asyncio.gather(hotel.held(), hotel.held(), hotel.held())
    await staff.approve(approved.booking_id)
    await staff.decline(declined.booking_id)
    await cancelled.cancel()
    refused = [
        (await manager.decline(approved.booking_id), "already_decided", "CONFIRMED"),
        (await manager.approve(declined.booking_id), "already_decided", "DECLINED"),
        (await declined.cancel(), "not_cancellable", "DECLINED"),
        (await manager.cancel(declined.booking_id), "not_cancellable", "DECLINED"),
        (await manager.approve(cancelled.booking_id), "already_decided", "CANCELLED"),
        (await manager.decline(cancelled.booking_id), "already_decided", "CANCELLED"),
    ]
    for response, code, status in refused:
        assert assert_problem(response, 409, code)["booking"]["status"] == status
    assert await money(hotel, approved) == ("succeeded", 15000, 0, 1)


async def test_staff_do_not_cancel_what_they_may_decline(hotel: HotelDriver) -> None:
    """A request that waits for a decision is declined, not cancelled."""
    guest, manager = await hotel.held(), await hotel.staff(Role.MANAGER)
    assert_problem(await manager.cancel(guest.booking_id), 409, "not_cancellable")
    assert (await guest.read_booking())["status"] == "PENDING_APPROVAL"


async def test_after_the_hold_was_lost(hotel: HotelDriver) -> None:
    """A hold that was cancelled in the Dashboard cannot be approved, declined or cancelled any more."""
    guest, staff = await hotel.held(), await hotel.staff()
    payment = (await hotel.stack.client.payment(guest.booking_id))["id"]
    await hotel.stack.client.dashboard(f"payment_intents/{payment}/cancel")
    await guest.until("DECLINED", timeout_s=PATIENCE_S)
    for response in (await staff.approve(guest.booking_id), await staff.decline(guest.booking_id)):
        problem = assert_problem(response, 409, "already_decided")
        assert problem["booking"]["reason_code"] == "AUTHORIZATION_EXPIRED"
    assert_problem(await guest.cancel(), 409, "not_cancellable")


async def test_an_approval_that_finds_the_hold_gone(hotel: HotelDriver) -> None:
    """Stripe's answer counts, though no event came: declined, and the approver reads so."""
    guest, staff = await hotel.held(), await hotel.staff()
    stripe = hotel.stack.stand_ins.stripe
    for kind in ("payment_intent.canceled", "charge.*"):
        await stripe.order(f"WEBHOOK {kind}", "drop", times=None)
    payment = (await hotel.stack.client.payment(guest.booking_id))["id"]
    await hotel.stack.client.dashboard(f"payment_intents/{payment}/cancel")
    problem = assert_problem(await staff.approve(guest.booking_id), 409, "already_decided")
    assert (problem["booking"]["status"], problem["booking"]["reason_code"]) == (
        "DECLINED",
        "AUTHORIZATION_EXPIRED",
    )


async def test_timed_out(stack: ApiStack) -> None:
    """After the deadline staff cannot decide."""
    inn = await open_hotel(stack, approval_sla_s=1)
    guest = await inn.submitted()
    await guest.pay()
    await guest.until("DECLINED", timeout_s=PATIENCE_S)
    staff = await inn.staff()
    for response in (await staff.approve(guest.booking_id), await staff.decline(guest.booking_id)):
        problem = assert_problem(response, 409, "already_decided")
        assert problem["booking"]["reason_code"] == "APPROVAL_TIMEOUT"


async def test_once_the_stay_has_started(stack: ApiStack) -> None:
    """Its guest cancels no more; a manager does, and chooses what goes back within the policy and what was paid."""
    inn = await open_hotel(stack, timezone=midday_zone(), check_in_hour=0, late_cancel_fee_percent=30)
    guest, manager = await inn.confirmed(days_ahead=0), await inn.staff(Role.MANAGER)
    assert_problem(await guest.cancel(), 409, "too_late")
    for amount in ("104.99", "150.01", "-1", "120.001", "much"):
        problem = await manager.cancel(guest.booking_id, refund_amount=amount)
        assert_problem(problem, 422, "invalid_request", "refund_amount")
    booking = settled(
        await manager.cancel(guest.booking_id, refund_amount="120.00", reason_note="A leak. Sorry!")
    )
    assert (booking["status"], booking["amount_refunded"]) == ("CANCELLED", "120.00")
    assert (await guest.read_booking())["reason_note"] == "A leak. Sorry!"
    assert await money(inn, guest) == ("succeeded", 15000, 12000, 1)


async def test_from_check_out_on(stack: ApiStack) -> None:
    """A stay that is over is not cancelled; its workflow has ended, and the row answers."""
    inn = await open_hotel(stack, timezone=midday_zone())
    guest, manager = await inn.held(), await inn.staff(Role.MANAGER)
    await stack.temporal.get_workflow_handle(workflow_id(guest.booking_id)).terminate()
    ago = inn.today() - timedelta(days=3)
    await edit(inn, guest, status="CONFIRMED", check_in=ago, check_out=ago + timedelta(days=2))
    assert_problem(await guest.cancel(), 409, "too_late")
    assert_problem(await manager.cancel(guest.booking_id), 409, "too_late")
    assert_problem(await manager.decline(guest.booking_id), 409, "already_decided")
    assert settled(await manager.approve(guest.booking_id))["status"] == "CONFIRMED"
