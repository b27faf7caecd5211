"""The API's answers while PostgreSQL, Temporal, the workers or Stripe are unavailable; bookings stay safe."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from datetime import timedelta

import httpx

from api.services import GUESTS_AT_ONCE
from domain.identifiers import access_token
from domain.roles import Role
from models import PaymentSession, utc_now
from sandbox.drivers import GuestDriver, StaffDriver, wait_until
from tests.api.events import post_event, unknown_event
from tests.api.hotels import PASSWORD, HotelDriver
from tests.api.problems import assert_problem
from tests.api.rows import commands_of, count_bookings, edit, row_of
from tests.api.stack import AUTH_SECRET, FlakyApi, another_api, working
from tests.workflows.servers import Json

_SLOWEST_S = 12
"""On a busy machine; with nothing else going on every answer below is there within eight seconds."""


def at(hotel: HotelDriver, api: str, path: str) -> str:
    """The address of one of the hotel's bookings at another API."""
    return f"{api}/api/public/hotel/{hotel.slug}/room-bookings/{path}"


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


# --- Temporal ---------------------------------------------------------------------------------------------


async def test_temporal_away_at_creation(hotel: HotelDriver, flaky: FlakyApi) -> None:
    """503; the booking is kept as a draft, and the same key submits it once Temporal is back."""
    wish, key = hotel.wish(), secrets.token_hex(8)
    await flaky.temporal.shut()
    for _ in range(2):
        response = await hotel.ask_for(wish, key=key, api=flaky.url)
        assert_problem(response, 503, "temporal_unavailable")
    assert await count_bookings(hotel) == 1
    [draft] = await statuses(hotel)
    assert draft == "DRAFT"
    await flaky.temporal.open()
    async with working(hotel.stack, flaky.task_queue):
        created = await until_answered(hotel, wish, key, flaky)
        assert created["status"] == "PENDING_PAYMENT"
    assert await count_bookings(hotel) == 1


async def statuses(hotel: HotelDriver) -> list[str]:
    """The status of each of the hotel's bookings, as its staff see them."""
    items = (await (await hotel.staff()).ask("GET", "")).json()["items"]
    return [item["status"] for item in items]


async def until_answered(hotel: HotelDriver, wish: Json, key: str, flaky: FlakyApi) -> Json:
    """Repeat a creation until it is answered 201, as its sender would."""

    async def repeat() -> httpx.Response:
        return await hotel.ask_for(wish, key=key, api=flaky.url)

    def done(response: httpx.Response) -> bool:
        assert response.status_code in {201, 409, 503}, response.text
        return response.status_code == 201

    found: Json = (await wait_until(repeat, done, timeout_s=30, what="the creation's end")).json()
    return found


async def test_temporal_away_later(hotel: HotelDriver, flaky: FlakyApi) -> None:
    """A decision that could not be signalled is refused and closed; what needs no workflow still works."""
    guest = await hotel.held()
    staff = await hotel.staff()
    await flaky.temporal.shut()
    http = hotel.stack.http
    own = at(hotel, flaky.url, f"{guest.booking_id}/")
    staff_base = own.replace("/public/", "/staff/")
    session = {"session_id": guest.session_id or ""}
    refused = await asyncio.gather(
        http.post(own + "cancel/", headers=bearer(guest.token)),
        http.post(staff_base + "approve/", headers=bearer(staff.token)),
        http.get(own + "payment/verify/", params=session),
        http.get(f"{flaky.url}/readyz"),
    )
    for response in refused:
        assert_problem(response, 503, "temporal_unavailable")
    assert (await http.get(own, headers=bearer(guest.token))).status_code == 200
    assert (await http.get(staff_base, headers=bearer(staff.token))).status_code == 200
    commands = await commands_of(hotel.stack, guest.booking_id)
    assert sorted(command.outcome or "open" for command in commands) == ["not_sent", "not_sent"]
    assert (await guest.read_booking())["pending_decision"] is None
    # The refusal holds: nothing is carried out afterwards, and another decision is free to come.
    assert (await staff.decline(guest.booking_id)).json()["status"] == "DECLINED"


async def test_temporal_hangs(hotel: HotelDriver, flaky: FlakyApi) -> None:
    """A server that accepts connections and does not answer counts as away within a short time."""
    await flaky.temporal.hush()
    begun = time.monotonic()
    response = await hotel.ask_for(hotel.wish(), api=flaky.url)
    assert_problem(response, 503, "temporal_unavailable")
    assert time.monotonic() - begun < _SLOWEST_S


async def test_answers_that_get_lost(hotel: HotelDriver, flaky: FlakyApi) -> None:
    """A command that reached Temporal without an answer is done once; a repeat gets its outcome."""
    approved, declined = await asyncio.gather(hotel.held(), hotel.held())
    staff, http = await hotel.staff(), hotel.stack.http
    assert (await http.get(f"{flaky.url}/readyz")).status_code == 200
    flaky.temporal.mute()
    staff_base = at(hotel, flaky.url, "").replace("/public/", "/staff/")
    requests = ((approved, "approve", "CONFIRMED"), (declined, "decline", "DECLINED"))
    answers = await asyncio.gather(
        *(
            http.post(f"{staff_base}{guest.booking_id}/{decision}/", headers=bearer(staff.token))
            for guest, decision, _ in requests
        )
    )
    for (guest, decision, status), answer in zip(requests, answers, strict=True):
        problem = assert_problem(answer, 503, "temporal_unavailable")
        assert "may or may not have been taken" in problem["detail"]
        booking = await guest.until(status)
        again = await (await hotel.staff(Role.MANAGER)).ask("POST", f"{guest.booking_id}/{decision}/")
        assert again.json() == booking | {"settled": True, "attention": []}
        assert booking["decision_made_by"] == staff.email
        [command] = await commands_of(hotel.stack, guest.booking_id)
        assert command.outcome == "settled"


async def test_a_namespace_that_is_not_there(hotel: HotelDriver) -> None:
    """A misconfigured namespace is an outage to callers, not a defect, and not a booking that has ended."""
    guest = await hotel.submitted()
    staff = await hotel.staff()
    async with another_api(hotel.stack, temporal_namespace="nowhere") as api:
        created = await hotel.ask_for(hotel.wish(), api=api)
        own = at(hotel, api, f"{guest.booking_id}/")
        session = await hotel.stack.http.post(own + "payment/session/", headers=bearer(guest.token))
        staff_base = own.replace("/public/", "/staff/")
        approval = await hotel.stack.http.post(staff_base + "approve/", headers=bearer(staff.token))
        ready = await hotel.stack.http.get(f"{api}/readyz")
    for response in (created, session, approval, ready):
        assert_problem(response, 503, "temporal_unavailable")


# --- workers ----------------------------------------------------------------------------------------------


async def test_no_worker(hotel: HotelDriver, flaky: FlakyApi) -> None:
    """A request that needs a worker's answer gets 503 after a while; a decision is kept, and a worker finishes all."""
    wish, key = hotel.wish(), secrets.token_hex(8)
    first = asyncio.create_task(hotel.ask_for(wish, key=key, api=flaky.url))
    await wait_until(lambda: count_bookings(hotel), bool, what="the draft")
    under_way = await hotel.ask_for(wish, key=key, api=flaky.url)
    draft = assert_problem(under_way, 409, "idempotency_key_in_use")["booking"]
    assert_problem(await first, 503, "worker_unavailable")

    token = access_token(AUTH_SECRET, draft["booking_id"])
    guest = GuestDriver(hotel.stack.client, {**draft, "access_token": token})
    assert (await row_of(hotel, guest)).status == "DRAFT"
    ready = (await hotel.stack.http.get(f"{flaky.url}/readyz")).json()
    assert (ready["status"], ready["worker"]) == ("ok", "away")
    await ask_nobody(hotel, flaky, guest)

    async with working(hotel.stack, flaky.task_queue):
        created = await until_answered(hotel, wish, key, flaky)
    assert (created["booking_id"], created["status"]) == (guest.booking_id, "PENDING_PAYMENT")
    [command] = await commands_of(hotel.stack, guest.booking_id)
    assert command.outcome == "not_authorized"


async def test_more_at_once_than_can_be_waited_for(hotel: HotelDriver, flaky: FlakyApi) -> None:
    """A caller in line gets a place that becomes free; one whose turn does not come is refused.

    Without a worker each place is taken for five seconds. Every caller keeps a booking that its key finishes.
    """
    wish, too_many = hotel.wish(), 3
    keys = [secrets.token_hex(8) for _ in range(3 * GUESTS_AT_ONCE + too_many)]
    answers = await asyncio.gather(*(hotel.ask_for(wish, key=key, api=flaky.url) for key in keys))
    codes = Counter(answer.json()["code"] for answer in answers)
    assert set(codes) == {"worker_unavailable", "temporal_unavailable"}
    # A third turn begins when the patience of those in line ends: some of them may have it.
    assert 2 * GUESTS_AT_ONCE <= codes["worker_unavailable"] <= 3 * GUESTS_AT_ONCE
    assert all(answer.status_code == 503 and answer.headers["retry-after"] for answer in answers)
    assert await count_bookings(hotel) == len(keys)
    async with working(hotel.stack, flaky.task_queue):
        created = await asyncio.gather(*(until_answered(hotel, wish, key, flaky) for key in keys))
    assert {booking["status"] for booking in created} == {"PENDING_PAYMENT"}


async def ask_nobody(hotel: HotelDriver, flaky: FlakyApi, guest: GuestDriver) -> None:
    """Ask for a page, a verification and an approval while the row says that the booking was submitted."""
    session_id = f"cs_test_{secrets.token_hex(8)}"
    page = PaymentSession(
        session_id=session_id,
        booking_id=guest.booking_id,
        url="https://pay.test/",
        expires_at=utc_now() + timedelta(hours=1),
    )
    async with hotel.stack.database.transaction() as db:
        db.add(page)
    await edit(hotel, guest, status="PENDING_PAYMENT")
    staff = await hotel.staff()
    own = at(hotel, flaky.url, f"{guest.booking_id}/")
    http = hotel.stack.http
    opened, verified, approval = await asyncio.gather(
        http.post(own + "payment/session/", headers=bearer(guest.token)),
        http.get(own + "payment/verify/", params={"session_id": session_id}),
        http.post(own.replace("/public/", "/staff/") + "approve/", headers=bearer(staff.token)),
    )
    assert_problem(opened, 503, "worker_unavailable")
    assert_problem(verified, 503, "worker_unavailable")
    assert (approval.status_code, approval.json()["settled"]) == (202, False)
    await edit(hotel, guest, status="DRAFT")


# --- PostgreSQL -------------------------------------------------------------------------------------------


async def ask_for_everything(
    hotel: HotelDriver, api: str, guest: GuestDriver, staff: StaffDriver
) -> list[httpx.Response]:
    """One request of each kind that needs the database, all at once."""
    http, own = hotel.stack.http, at(hotel, api, f"{guest.booking_id}/")
    staff_base = own.replace("/public/", "/staff/")
    as_guest, as_staff = bearer(guest.token), bearer(staff.token)
    channel = {"socket_id": "1.2", "channel_name": f"private-staff-{hotel.slug}"}
    log_in = {"username": staff.email, "password": PASSWORD}
    return await asyncio.gather(
        http.get(f"{api}/api/public/hotel/{hotel.slug}/"),
        hotel.ask_for(hotel.wish(), key="away", api=api),
        http.get(own, headers=as_guest),
        http.post(own + "submit/", headers=as_guest),
        http.post(own + "cancel/", headers=as_guest),
        http.post(own + "payment/session/", headers=as_guest),
        http.get(own + "payment/verify/", params={"session_id": guest.session_id or ""}),
        http.post(f"{api}/api/staff/auth/token/", data=log_in),
        http.get(at(hotel, api, "").replace("/public/", "/staff/"), headers=as_staff),
        http.get(staff_base, headers=as_staff),
        *(
            http.post(f"{staff_base}{decision}/", headers=as_staff)
            for decision in ("approve", "decline", "cancel")
        ),
        http.post(f"{api}/api/realtime/auth/", data=channel, headers=as_staff),
        http.get(f"{api}/readyz"),
        post_event(hotel.stack.http, api, unknown_event()),
    )


async def test_database_away(hotel: HotelDriver, flaky: FlakyApi) -> None:
    """Every route that needs it is 503, soon; nothing is changed; all is well once it is back."""
    guest, staff = await hotel.held(), await hotel.staff(Role.MANAGER)
    for take_away in (flaky.postgres.shut, flaky.postgres.hush):
        await take_away()
        begun = time.monotonic()
        for response in await ask_for_everything(hotel, flaky.url, guest, staff):
            assert_problem(response, 503, "database_unavailable")
        assert time.monotonic() - begun < _SLOWEST_S
        assert (await hotel.stack.http.get(f"{flaky.url}/healthz")).json() == {"status": "ok"}
        assert "stripe_inbox_backlog NaN" in (await hotel.stack.http.get(f"{flaky.url}/metrics")).text
    assert (await guest.read_booking())["version"] == 3
    assert await commands_of(hotel.stack, guest.booking_id) == []
    await flaky.postgres.open()
    page = await hotel.stack.http.get(
        at(hotel, flaky.url, f"{guest.booking_id}/"), headers=bearer(guest.token)
    )
    assert page.status_code == 200


# --- Stripe -----------------------------------------------------------------------------------------------


async def test_stripe_answers_errors(hotel: HotelDriver) -> None:
    """No page and no word on the payment, but a clear one on why; the next attempt works again."""
    guest = await hotel.submitted()
    stripe = hotel.stack.stand_ins.stripe
    await stripe.order("POST /v1/checkout/sessions", "error_before", status=500, times=None)
    assert_problem(await guest.ask("POST", "payment/session/"), 503, "stripe_unavailable")
    await stripe.clear_faults()
    await stripe.order("POST /v1/checkout/sessions", "error_before", status=403, times=None)
    assert_problem(await guest.ask("POST", "payment/session/"), 503, "stripe_unavailable")
    await stripe.clear_faults()
    assert (await guest.open_page())["status"] == "created"
    await stripe.order("GET /v1/checkout/sessions/*", "drop_before", times=None)
    assert_problem(await guest.verify(), 503, "stripe_unavailable")
    await stripe.clear_faults()
    assert (await guest.verify()).json()["payment_status"] == "unpaid"
    assert (await guest.read_booking())["version"] == 2


async def test_stripe_hangs(hotel: HotelDriver) -> None:
    """The refusal comes without a wait."""
    guest = await hotel.submitted()
    stripe = hotel.stack.stand_ins.stripe
    await stripe.order("POST /v1/checkout/sessions", "hang", times=None)
    begun = time.monotonic()
    assert_problem(await guest.ask("POST", "payment/session/"), 503, "stripe_unavailable")
    assert time.monotonic() - begun < _SLOWEST_S
    await stripe.clear_faults()
