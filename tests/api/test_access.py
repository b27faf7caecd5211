"""Who may do what: guests' tokens, staff's tokens, roles, hotels, log-ins."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy import update
from sqlmodel import col

from api.auth import staff_token
from domain.roles import Role
from models import Staff as StaffRow
from models import utc_now
from sandbox.drivers import StaffDriver
from tests.api.hotels import PASSWORD, HotelDriver, open_hotel
from tests.api.problems import assert_problem
from tests.api.rows import minute_of
from tests.api.stack import AUTH_SECRET, ApiStack

_GUEST_ROUTES = (("GET", ""), ("POST", "submit/"), ("POST", "cancel/"), ("POST", "payment/session/"))
_STAFF_ROUTES = (("GET", ""), ("POST", "approve/"), ("POST", "decline/"), ("POST", "cancel/"))
_LOGIN_FAILURES_PER_MIN = 10


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


async def ask_all(http: httpx.AsyncClient, url: str, routes: Any, headers: Any) -> list[httpx.Response]:
    """Ask every route under `url`."""
    return [await http.request(method, url + path, headers=headers) for method, path in routes]


# --- guests -----------------------------------------------------------------------------------------------


async def test_a_booking_opens_to_its_own_token_alone(hotel: HotelDriver) -> None:
    """No token, a wrong one, another booking's, staff's: 401 on every route, and nothing is told or done."""
    guest, other = await hotel.draft(), await hotel.draft()
    url = f"{hotel.bookings_url}{guest.booking_id}/"
    staff = await hotel.staff(Role.MANAGER)
    wrong = ("x", guest.token[:-1], guest.token + "A", guest.token.lower(), other.token, staff.token)
    headers: list[Any] = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": guest.token},
        {"Authorization": f"Basic {guest.token}"},
    ]
    headers += [bearer(token) for token in wrong]
    headers.append(httpx.Headers({"Authorization": "Bearer \xe9\xff"}, encoding="latin-1"))
    for header in headers:
        for response in await ask_all(hotel.stack.http, url, _GUEST_ROUTES, header):
            assert_problem(response, 401, "invalid_token")
    assert (await guest.read_booking())["version"] == 1


async def test_a_token_says_nothing_about_other_bookings(hotel: HotelDriver) -> None:
    """Whether a booking exists is told to nobody who does not hold its token."""
    guest = await hotel.draft()
    for booking_id in ("BK-00000-00000-00000", "%00", "x" * 300):
        url = f"{hotel.bookings_url}{booking_id}/"
        for response in await ask_all(hotel.stack.http, url, _GUEST_ROUTES, bearer(guest.token)):
            assert_problem(response, 401, "invalid_token")


async def test_another_hotels_address(hotel: HotelDriver, stack: ApiStack) -> None:
    """The right token at the wrong hotel: there is no such booking here."""
    guest, other = await hotel.draft(), await open_hotel(stack)
    for slug in (other.slug, "nowhere", "%00"):
        url = f"{stack.api}/api/public/hotel/{slug}/room-bookings/{guest.booking_id}/"
        for response in await ask_all(stack.http, url, _GUEST_ROUTES, bearer(guest.token)):
            assert_problem(response, 404, "not_found")
    assert (await guest.read_booking())["version"] == 1


# --- staff ------------------------------------------------------------------------------------------------


def forged(staff: StaffDriver, key: str = AUTH_SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A member of staff's token with some claims changed, signed anew; claims that are None are left out."""
    good = jwt.decode(staff.token, options={"verify_signature": False})
    changed = {name: value for name, value in (good | claims).items() if value is not None}
    return jwt.encode(changed, key, algorithm=algorithm)


async def test_forged_and_expired_tokens(hotel: HotelDriver) -> None:
    """A token counts as it was signed by us, for staff, and for eight hours."""
    guest = await hotel.draft()
    manager = await hotel.staff(Role.MANAGER)
    now = utc_now()
    others_key = "another-secret-of-thirty-two-letters-or-so"
    bad = [
        "x.y.z",
        manager.token[:-2] + ("AA" if manager.token[-2:] != "AA" else "BB"),
        forged(manager, key=others_key),
        forged(manager, algorithm="HS512", key=others_key * 2),
        forged(manager, algorithm="HS512", key=AUTH_SECRET * 2),
        jwt.encode({"sub": "1", "aud": "staff"}, "", algorithm="none"),
        forged(manager, exp=now - timedelta(seconds=1)),
        forged(manager, exp=None),
        forged(manager, aud="guest"),
        forged(manager, aud=None),
        forged(manager, sub=None),
        forged(manager, sub="2147483000"),
        guest.token,
    ]
    url = f"{hotel.bookings_url}{guest.booking_id}/".replace("/public/", "/staff/")
    headers: list[Any] = [{}, {"Authorization": manager.token}, *(bearer(token) for token in bad)]
    for header in headers:
        for response in await ask_all(hotel.stack.http, url, _STAFF_ROUTES, header):
            assert_problem(response, 401, "invalid_token")
        listed = await hotel.stack.http.get(hotel.bookings_url.replace("/public/", "/staff/"), headers=header)
        assert_problem(listed, 401, "invalid_token")
    assert (await manager.ask("GET", f"{guest.booking_id}/")).status_code == 200
    assert (await guest.read_booking())["version"] == 1


async def test_tokens_last_eight_hours(hotel: HotelDriver) -> None:
    """The log-in says so, and the token does."""
    claims = jwt.decode((await hotel.staff()).token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 28800
    response = await log_in(hotel, Role.APPROVER)
    assert response.status_code == 200
    assert {**response.json(), "access_token": ""} == {
        "access_token": "",
        "token_type": "bearer",
        "expires_in": 28800,
    }
    assert staff_token(AUTH_SECRET, 1, utc_now()).count(".") == 2


async def test_another_hotels_staff(hotel: HotelDriver, stack: ApiStack) -> None:
    """Neither the hotel nor its bookings exist for them, whatever their role; nor by their own address."""
    guest, other = await hotel.draft(), await open_hotel(stack)
    stranger = await other.staff(Role.MANAGER)
    ours = hotel.bookings_url.replace("/public/", "/staff/")
    theirs = other.bookings_url.replace("/public/", "/staff/")
    for url in (ours, theirs):
        for response in await ask_all(
            stack.http, f"{url}{guest.booking_id}/", _STAFF_ROUTES, bearer(stranger.token)
        ):
            assert_problem(response, 404, "not_found")
    assert_problem(await stack.http.get(ours, headers=bearer(stranger.token)), 404, "not_found")
    for booking_id in ("BK-00000-00000-00000", "%00", "x" * 300):
        for response in await ask_all(
            stack.http, f"{theirs}{booking_id}/", _STAFF_ROUTES, bearer(stranger.token)
        ):
            assert_problem(response, 404, "not_found")


async def test_roles(hotel: HotelDriver) -> None:
    """A viewer reads, an approver also decides, a manager also cancels."""
    guest = await hotel.submitted()
    viewer, approver, manager = [await hotel.staff(role) for role in Role]
    for person in (viewer, approver, manager):
        assert (await person.ask("GET", "")).status_code == 200
        assert (await person.ask("GET", f"{guest.booking_id}/")).status_code == 200
    for path in ("approve/", "decline/", "cancel/"):
        assert_problem(await viewer.ask("POST", guest.booking_id + "/" + path), 403, "forbidden")
    assert_problem(await approver.cancel(guest.booking_id), 403, "forbidden")
    assert_problem(await approver.approve(guest.booking_id), 409, "not_authorized")
    assert_problem(await manager.decline(guest.booking_id), 409, "not_authorized")
    assert_problem(await manager.cancel(guest.booking_id), 409, "not_cancellable")
    assert (await guest.read_booking())["version"] == 2


async def change_staff(hotel: HotelDriver, whose: Role, **values: Any) -> None:
    """Write into a member of staff's row."""
    change = update(StaffRow).where(col(StaffRow.email) == hotel.email(whose)).values(**values)
    async with hotel.stack.database.transaction() as db:
        await db.execute(change)


async def test_staff_who_left(hotel: HotelDriver) -> None:
    """A token of somebody who may not log in any more is worth nothing, at once."""
    approver = await hotel.staff()
    await change_staff(hotel, Role.APPROVER, active=False)
    assert_problem(await approver.ask("GET", ""), 401, "invalid_token")
    assert_problem(await log_in(hotel, Role.APPROVER), 401, "invalid_login")


async def test_staff_who_lost_their_role(hotel: HotelDriver) -> None:
    """What somebody may do is looked up each time, not carried in the token."""
    approver, guest = await hotel.staff(), await hotel.draft()
    await change_staff(hotel, Role.APPROVER, role=Role.VIEWER)
    assert_problem(await approver.approve(guest.booking_id), 403, "forbidden")


# --- log-ins ----------------------------------------------------------------------------------------------


async def log_in(
    hotel: HotelDriver,
    role: Role,
    password: str = PASSWORD,
    *,
    api: str | None = None,
    address: str | None = None,
    email: str | None = None,
) -> httpx.Response:
    """Try to log in.

    Args:
        api: another API's address.
        address: where the reverse proxy says that the request comes from.
    """
    url = f"{api or hotel.stack.api}/api/staff/auth/token/"
    form = {"username": email or hotel.email(role), "password": password, "grant_type": "password"}
    headers = {"X-Forwarded-For": address} if address else {}
    return await hotel.stack.http.post(url, data=form, headers=headers)


async def test_bad_log_ins(hotel: HotelDriver) -> None:
    """One answer for all of them: nobody learns which accounts exist."""
    bodies = []
    for email, password in (
        (hotel.email(Role.VIEWER), "wrong"),
        (hotel.email(Role.VIEWER), PASSWORD + " "),
        (hotel.email(Role.VIEWER), ""),
        ("nobody@example.com", PASSWORD),
        ("nul\x00@example.com", PASSWORD),
        ("x" * 10_000, PASSWORD),
        (hotel.email(Role.VIEWER), "y" * 10_000),
    ):
        response = await log_in(hotel, Role.VIEWER, password, email=email)
        if response.status_code != 422:
            bodies.append(assert_problem(response, 401, "invalid_login"))
    assert len(bodies) >= 6
    assert all(body == bodies[0] for body in bodies)


async def test_how_an_address_is_typed(hotel: HotelDriver) -> None:
    """Capitals and white space round it do not matter."""
    response = await log_in(hotel, Role.VIEWER, email=f" {hotel.email(Role.VIEWER).upper()} ")
    assert response.status_code == 200


async def test_forms_that_are_none(hotel: HotelDriver) -> None:
    """422 for what is no log-in form at all."""
    url, http = f"{hotel.stack.api}/api/staff/auth/token/", hotel.stack.http
    assert_problem(await http.post(url), 422, "invalid_request", "username", "password")
    assert_problem(await http.post(url, data={"username": "a"}), 422, "invalid_request", "password")
    assert_problem(await http.post(url, json={"username": "a", "password": "b"}), 422, "invalid_request")
    upload = {"password": ("a.txt", b"secret")}
    response = await http.post(url, data={"username": "a"}, files=upload)
    assert_problem(response, 422, "invalid_request", "password")


async def until_a_minute_was_enough(hotel: HotelDriver, attempt: Any) -> Any:
    """Try again where the minute, by which failures are counted, turned in between."""
    for _ in range(3):
        begun = await minute_of(hotel.stack)
        found = await attempt()
        if await minute_of(hotel.stack) == begun:
            return found
    pytest.fail("three minutes turned in a row")


async def test_guessing_is_slowed_down(hotel: HotelDriver, second_api: str) -> None:
    """Ten failures a minute, per account and address, counted together by both API processes."""
    apis = [hotel.stack.api, second_api]
    roles = iter(Role)

    async def guess() -> tuple[Role, list[int]]:
        role = next(roles)
        answers = [await log_in(hotel, role, "wrong", api=apis[n % 2]) for n in range(12)]
        limited = [answer for answer in answers if answer.status_code == 429]
        for answer in limited:
            assert_problem(answer, 429, "rate_limited")
            assert int(answer.headers["retry-after"]) <= 60
        assert_problem(await log_in(hotel, role), 429, "rate_limited")
        elsewhere = await log_in(hotel, role, address="203.0.113.9")
        assert elsewhere.status_code == 200, "another address is another count"
        return role, [answer.status_code for answer in answers]

    role, statuses = await until_a_minute_was_enough(hotel, guess)
    assert statuses == [401] * _LOGIN_FAILURES_PER_MIN + [429] * 2
    other = next(each for each in Role if each is not role)
    assert (await log_in(hotel, other)).status_code == 200, "another account is another count"


async def test_guesses_at_once_do_not_slip_through(hotel: HotelDriver, second_api: str) -> None:
    """However many come at the same time, ten are looked at."""
    apis = [hotel.stack.api, second_api]
    roles = iter(Role)

    async def guess() -> Counter[int]:
        role = next(roles)
        guesses = (log_in(hotel, role, "wrong", api=apis[n % 2]) for n in range(24))
        return Counter(answer.status_code for answer in await asyncio.gather(*guesses))

    counted = await until_a_minute_was_enough(hotel, guess)
    assert counted == {401: _LOGIN_FAILURES_PER_MIN, 429: 24 - _LOGIN_FAILURES_PER_MIN}


async def test_success_does_not_count(hotel: HotelDriver) -> None:
    """Whoever knows the password may log in as often as they like."""
    for _ in range(2 * _LOGIN_FAILURES_PER_MIN):
        assert (await log_in(hotel, Role.VIEWER)).status_code == 200
