"""The payment page, and the guest's return from it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest

from domain.identifiers import workflow_id
from domain.roles import Role
from sandbox.drivers import GuestDriver, wait_until
from tests.api.hotels import PERSON, HotelDriver, open_hotel
from tests.api.problems import assert_problem
from tests.api.rows import minute_of
from tests.api.stack import PATIENCE_S, PUBLIC_BASE_URL, ApiStack
from tests.workflows.servers import STRIPE_KEY, Json

_SESSIONS_PER_MIN = 20


async def at_stripe(stack: ApiStack, session_id: str) -> Json:
    """A Checkout session as Stripe's own API shows it."""
    headers = {"Authorization": f"Bearer {STRIPE_KEY}"}
    found: Json = await stack.stand_ins.stripe.ask(
        "GET", f"/v1/checkout/sessions/{session_id}", headers=headers
    )
    return found


async def open_page(guest: GuestDriver, **wishes: Any) -> httpx.Response:
    """Ask for the payment page."""
    return await guest.ask("POST", "payment/session/", json=wishes)


# --- opening it -------------------------------------------------------------------------------------------


async def test_a_page_is_opened_once(hotel: HotelDriver) -> None:
    """`created` and then `existing`, with the same address; Stripe holds the card for the exact total."""
    guest = await hotel.submitted()
    first = await guest.ask("POST", "payment/session/")
    assert first.status_code == 200
    page = first.json()
    assert page == {
        "session_id": page["session_id"],
        "payment_url": f"{hotel.stack.client.at.stripe}/c/pay/{page['session_id']}",
        "status": "created",
        "amount": "150.00",
        "currency": "EUR",
    }
    again = await open_page(guest)
    assert again.json() == page | {"status": "existing"}
    booking = await guest.read_booking()
    assert (booking["payment_provider"], booking["payment_reference"]) == ("stripe", page["session_id"])
    assert booking["version"] == 2
    session = await at_stripe(hotel.stack, page["session_id"])
    assert (session["amount_total"], session["currency"], session["mode"]) == (15000, "eur", "payment")
    assert len((await hotel.stack.client.ledger(guest.booking_id))["sessions"]) == 1


async def test_asked_for_ten_times_at_once(hotel: HotelDriver) -> None:
    """One page is opened, and all callers get it."""
    guest = await hotel.submitted()
    answers = [response.json() for response in await asyncio.gather(*(open_page(guest) for _ in range(10)))]
    assert len({answer["session_id"] for answer in answers}) == 1
    assert sorted(answer["status"] for answer in answers) == ["created"] + ["existing"] * 9
    assert len((await hotel.stack.client.ledger(guest.booking_id))["sessions"]) == 1


async def test_yen_are_charged_as_yen(stack: ApiStack) -> None:
    """Not times one hundred."""
    inn = await open_hotel(stack, currency="JPY", price_minor=15000, timezone="Asia/Tokyo")
    guest = await inn.submitted()
    page = await guest.open_page()
    assert (page["amount"], page["currency"]) == ("30000", "JPY")
    assert (await at_stripe(stack, page["session_id"]))["amount_total"] == 30000


async def test_the_guest_returns_to_the_status_page(hotel: HotelDriver) -> None:
    """By default, with a code of the session's own: Stripe's Dashboard shows no guest's token."""
    guest = await hotel.submitted()
    session = await at_stripe(hotel.stack, (await guest.open_page())["session_id"])
    page = f"{PUBLIC_BASE_URL}/bookings/{guest.booking_id}/?code="
    code = session["cancel_url"].removeprefix(page)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", code)
    assert session["success_url"] == f"{page}{code}&session_id={{CHECKOUT_SESSION_ID}}"
    assert (await guest.pay()).status_code == 303
    headers = {"Authorization": f"Bearer {STRIPE_KEY}"}
    events = await hotel.stack.stand_ins.stripe.ask("GET", "/v1/events?limit=100", headers=headers)
    assert guest.token not in json.dumps([session, events])
    url = f"{hotel.bookings_url}{guest.booking_id}/"
    answer = await hotel.stack.http.get(url, headers={"Authorization": f"Bearer {code}"})
    assert_problem(answer, 401, "invalid_token")


async def test_the_caller_says_where_the_guest_returns_to(hotel: HotelDriver) -> None:
    """Each address by itself; an open page keeps those it was opened with."""
    guest = await hotel.submitted()
    wished = "https://agency.test/back?session={CHECKOUT_SESSION_ID}&secret=of-the-agency"
    first = (await open_page(guest, success_url=wished)).json()
    again = (
        await open_page(guest, success_url="https://other.test/", cancel_url="https://other.test/")
    ).json()
    assert (again["session_id"], again["status"]) == (first["session_id"], "existing")
    session = await at_stripe(hotel.stack, first["session_id"])
    assert session["success_url"] == wished
    assert session["cancel_url"].startswith(PUBLIC_BASE_URL)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "ftp://example.com/",
        "//example.com/",
        "example.com",
        "https://",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://example.com:99999/",
        "https://[::1/",
        "https://example.com/\u2028x",
        "https://example.com/" + "x" * 2000,
        7,
        "",
    ],
)
async def test_addresses_that_are_none(hotel: HotelDriver, address: Any) -> None:
    """http:// or https://, else 422; nothing is opened."""
    guest = await hotel.draft()
    for field in ("success_url", "cancel_url"):
        response = await open_page(guest, **{field: address})
        assert_problem(response, 422, "invalid_request", field)


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"{", b'{"price": "1.00"}', b"\xff"])
async def test_bodies_that_are_none(hotel: HotelDriver, body: bytes) -> None:
    """The body may be left out, but not be anything."""
    guest = await hotel.draft()
    # `ask` brings the headers of its own; content type is what is tested here.
    response = await hotel.stack.http.post(
        f"{hotel.bookings_url}{guest.booking_id}/payment/session/",
        content=body,
        headers={"Authorization": f"Bearer {guest.token}", "Content-Type": "application/json"},
    )
    assert_problem(response, 422, "invalid_request")


async def test_what_cannot_be_paid(hotel: HotelDriver) -> None:
    """409 with the booking, from before submission to after the end."""
    cancelled = await hotel.submitted()
    await cancelled.cancel()
    for guest, status in (
        (await hotel.draft(), "DRAFT"),
        (await hotel.held(), "PENDING_APPROVAL"),
        (cancelled, "CANCELLED"),
    ):
        problem = assert_problem(await open_page(guest), 409, "not_payable")
        assert problem["booking"] == await guest.read_booking()
        assert problem["booking"]["status"] == status


async def test_the_payment_window_is_over(stack: ApiStack) -> None:
    """An expired booking is neither paid nor decided nor cancelled."""
    inn = await open_hotel(stack, payment_window_s=1)
    guest, staff = await inn.submitted(), await inn.staff()
    booking = await guest.until("EXPIRED", timeout_s=PATIENCE_S)
    assert [row["event"] for row in booking["timeline"]][-1] == "payment_window_closed"
    assert_problem(await open_page(guest), 409, "not_payable")
    assert_problem(await guest.cancel(), 409, "not_cancellable")
    assert_problem(await staff.approve(guest.booking_id), 409, "already_decided")
    again = await guest.ask("POST", "submit/")
    assert (again.status_code, again.json()) == (200, booking)


async def test_asking_too_often(hotel: HotelDriver) -> None:
    """Twenty times a minute, for each booking by itself."""
    for _ in range(3):
        guest, begun = await hotel.submitted(), await minute_of(hotel.stack)
        answers = [await open_page(guest) for _ in range(_SESSIONS_PER_MIN + 1)]
        if await minute_of(hotel.stack) == begun:
            break
    else:
        pytest.fail("three minutes turned in a row")
    assert [answer.status_code for answer in answers] == [200] * _SESSIONS_PER_MIN + [429]
    assert_problem(answers[-1], 429, "rate_limited")
    assert int(answers[-1].headers["retry-after"]) <= 60
    assert (await open_page(await hotel.submitted())).status_code == 200


async def test_a_workflow_that_was_lost(hotel: HotelDriver) -> None:
    """A booking that waits for payment is payable: that its workflow is gone for now is an outage."""
    guest = await hotel.submitted()
    handle = hotel.stack.temporal.get_workflow_handle(workflow_id(guest.booking_id))
    await handle.terminate("lost")
    assert_problem(await open_page(guest), 503, "temporal_unavailable")
    approver = await hotel.staff()
    assert_problem(await approver.approve(guest.booking_id), 409, "not_authorized")
    assert_problem(await guest.cancel(), 503, "temporal_unavailable")


async def test_no_secrets_in_histories(hotel: HotelDriver) -> None:
    """Neither the guest's data nor their token nor the addresses of the page enter a workflow's history."""
    guest = await hotel.submitted(special_requests="A window to the sea")
    secret_address = "https://agency.test/?key=the-agencys-own-secret"
    page = (await open_page(guest, success_url=secret_address, cancel_url=secret_address)).json()
    guest.session_id, guest.payment_url = page["session_id"], page["payment_url"]
    await guest.pay()
    await guest.until("PENDING_APPROVAL", timeout_s=PATIENCE_S)
    note = "We are painting the corridor"
    assert (await (await hotel.staff()).decline(guest.booking_id, note=note)).status_code == 200
    handle = hotel.stack.temporal.get_workflow_handle(workflow_id(guest.booking_id))
    await handle.result()
    history = b"".join([event.SerializeToString() async for event in handle.fetch_history_events()])
    assert guest.booking_id.encode() in history
    private = [guest.token, page["payment_url"], "agencys-own-secret", "window to the sea", note]
    private += [*PERSON.values(), hotel.email(Role.APPROVER)]
    assert [text for text in private if text.encode() in history] == []


# --- coming back ------------------------------------------------------------------------------------------


async def verify(hotel: HotelDriver, guest: GuestDriver, session_id: str | None) -> httpx.Response:
    """Ask as a browser without a token does."""
    url = f"{hotel.bookings_url}{guest.booking_id}/payment/verify/"
    params = {} if session_id is None else {"session_id": session_id}
    return await hotel.stack.http.get(url, params=params)


async def test_verification_tells_of_the_payment_alone(hotel: HotelDriver) -> None:
    """No token is needed, and nothing about the guest is shown."""
    guest = await hotel.submitted()
    session_id = (await guest.open_page())["session_id"]
    response = await verify(hotel, guest, session_id)
    assert (response.status_code, response.json()) == (
        200,
        {
            "booking_id": guest.booking_id,
            "status": "PENDING_PAYMENT",
            "payment_status": "unpaid",
            "amount": "150.00",
            "currency": "EUR",
        },
    )


async def test_sessions_of_others(hotel: HotelDriver, stack: ApiStack) -> None:
    """Another booking's session, an unknown one, one at another hotel's address: not found."""
    guest, other, elsewhere = await hotel.submitted(), await hotel.submitted(), await open_hotel(stack)
    own, others = (await guest.open_page())["session_id"], (await other.open_page())["session_id"]
    for session_id in (others, "cs_test_nobodys", "\x00", "x" * 255):
        assert_problem(await verify(hotel, guest, session_id), 404, "not_found")
    assert_problem(await verify(elsewhere, guest, own), 404, "not_found")
    for missing in (None, "", "x" * 256):
        assert_problem(await verify(hotel, guest, missing), 422, "invalid_request", "session_id")


async def test_a_lost_webhook_is_made_good(hotel: HotelDriver) -> None:
    """Stripe is asked when the guest comes back: the booking advances though no event ever came."""
    guest = await hotel.submitted()
    stripe = hotel.stack.stand_ins.stripe
    for kind in ("checkout.session.completed", "payment_intent.amount_capturable_updated"):
        await stripe.order(f"WEBHOOK {kind}", "drop")
    await guest.pay()
    assert (await guest.read_booking())["status"] == "PENDING_PAYMENT"
    answer = (await verify(hotel, guest, guest.session_id)).json()
    assert (answer["status"], answer["payment_status"]) == ("PENDING_APPROVAL", "authorized")
    booking = await guest.read_booking()
    assert [row["event"] for row in booking["timeline"]] == ["created", "submitted", "authorized"]


async def payment_status(hotel: HotelDriver, guest: GuestDriver) -> str:
    """The payment's state in one word."""
    response = await verify(hotel, guest, guest.session_id)
    assert response.status_code == 200, response.text
    return str(response.json()["payment_status"])


async def test_every_payment_status(stack: ApiStack) -> None:
    """From unpaid to captured, and each way back."""
    inn = await open_hotel(stack, late_cancel_fee_percent=40)
    staff, manager = await inn.staff(), await inn.staff(Role.MANAGER)
    declined, cancelled, late = await asyncio.gather(inn.held(), inn.held(), inn.held(days_ahead=1))
    assert await payment_status(inn, declined) == "authorized"
    await staff.decline(declined.booking_id)
    assert await payment_status(inn, declined) == "released"

    await staff.approve(cancelled.booking_id)
    assert await payment_status(inn, cancelled) == "captured"
    assert (await cancelled.cancel()).json()["amount_refunded"] == "150.00"
    assert await payment_status(inn, cancelled) == "refunded"

    await staff.approve(late.booking_id)
    answer = await manager.cancel(late.booking_id)
    assert answer.json()["amount_refunded"] == "150.00", (
        "a manager refunds everything unless they choose otherwise"
    )
    assert await payment_status(inn, late) == "refunded"

    unpaid = await inn.submitted()
    await unpaid.open_page()
    await unpaid.cancel()
    assert await payment_status(inn, unpaid) == "unpaid"


async def test_an_ended_bookings_row_answers(hotel: HotelDriver) -> None:
    """Once its workflow is over Stripe is not asked any more."""
    guest = await hotel.held()
    await guest.cancel()
    handle = hotel.stack.temporal.get_workflow_handle(workflow_id(guest.booking_id))
    await handle.result()
    await hotel.stack.stand_ins.stripe.order("*", "error_before", status=500, times=None)
    assert await payment_status(hotel, guest) == "released"


async def test_a_partly_refunded_stay(hotel: HotelDriver) -> None:
    """A refund made in the Dashboard leaves a confirmed booking captured, until all of it is back."""
    guest = await hotel.confirmed()
    payment = (await hotel.stack.client.payment(guest.booking_id))["id"]

    async def refunded(amount: str) -> None:
        await wait_until(
            guest.read_booking,
            lambda booking: booking["amount_refunded"] == amount,
            what=f"{amount} to be recorded",
        )

    await hotel.stack.client.dashboard(f"payment_intents/{payment}/refund", {"amount": 5000})
    await refunded("50.00")
    assert await payment_status(hotel, guest) == "captured"
    await hotel.stack.client.dashboard(f"payment_intents/{payment}/refund")
    await refunded("150.00")
    assert await payment_status(hotel, guest) == "refunded"
    assert (await guest.read_booking())["status"] == "CONFIRMED"
