"""Permissions: guests' tokens, staff's tokens, roles, hotels, log-ins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import jwt
from sqlalchemy import update
from sqlmodel import col

from domain.roles import Role
from models import Staff as StaffRow
from models import utc_now
from sandbox.drivers import StaffDriver
from tests.api.hotels import PASSWORD, HotelDriver, open_hotel
from tests.api.problems import assert_problem
from tests.api.stack import AUTH_SECRET, ApiStack
from tests.api.test_log_in import log_in

_GUEST_ROUTES = (("GET", ""), ("POST", "submit/"), ("POST", "cancel/"), ("POST", "payment/session/"))
_STAFF_ROUTES = (("GET", ""), ("POST", "approve/"), ("POST", "decline/"), ("POST", "cancel/"))


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


async def ask_all(http: httpx.AsyncClient, url: str, routes: Any, headers: Any) -> list[httpx.Response]:
    """Ask every route under `url`."""
    return [await http.request(method, url + path, headers=headers) for method, path in routes]


# --- guests -----------------------------------------------------------------------------------------------


async def test_a_booking_opens_to_its_own_token_alone(hotel: HotelDriver) -> None:
    """No token, a wrong one, another booking's, staff's: 401 on every route, and nothing is shown or done."""
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
    """Only a caller with its token learns that a booking exists."""
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
        forged(manager, exp=now - timedelta(seconds=11)),
        forged(manager, iat=now + timedelta(seconds=60)),
        forged(manager, ver=0),
        forged(manager, ver=2),
        forged(manager, ver="1"),
        forged(manager, ver=None),
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
    """A closed account's token is refused at once."""
    approver = await hotel.staff()
    await change_staff(hotel, Role.APPROVER, active=False)
    assert_problem(await approver.ask("GET", ""), 401, "invalid_token")
    assert_problem(await log_in(hotel, Role.APPROVER), 401, "invalid_login")


async def test_staff_who_lost_their_role(hotel: HotelDriver) -> None:
    """Permissions are read at each request, not carried in the token."""
    approver, guest = await hotel.staff(), await hotel.draft()
    await change_staff(hotel, Role.APPROVER, role=Role.VIEWER)
    assert_problem(await approver.approve(guest.booking_id), 403, "forbidden")


async def test_clocks_that_differ_a_little(hotel: HotelDriver) -> None:
    """Another machine, whose clock is a few seconds ahead, has issued the token."""
    viewer = await hotel.staff(Role.VIEWER)
    ahead = forged(viewer, iat=utc_now() + timedelta(seconds=5))
    url = hotel.bookings_url.replace("/public/", "/staff/")
    assert (await hotel.stack.http.get(url, headers=bearer(ahead))).status_code == 200


async def test_log_ins_are_listed_and_ended_one_by_one(hotel: HotelDriver) -> None:
    """Each has an id, a time and an address; ending one ends its token alone."""
    stack = hotel.stack
    first, second = [
        await StaffDriver.log_in(stack.client, hotel.slug, hotel.email(Role.VIEWER), PASSWORD)
        for _ in range(2)
    ]
    url, own = f"{stack.api}/api/staff/log-ins/", {"Authorization": f"Bearer {first.token}"}
    items = (await stack.http.get(url, headers=own)).json()["items"]
    assert [item["current"] for item in items] == [False, True]
    assert {item["address"] for item in items} == {"127.0.0.1"}
    assert all(item["begun_at"] < item["expires_at"] for item in items)
    assert (await stack.http.delete(f"{url}{items[0]['log_in_id']}/", headers=own)).status_code == 204
    assert_problem(await second.ask("GET", ""), 401, "invalid_token")
    assert (await first.ask("GET", "")).status_code == 200
    gone = await stack.http.delete(f"{url}{items[0]['log_in_id']}/", headers=own)
    assert_problem(gone, 404, "not_found")
    colleague = await hotel.staff(Role.MANAGER)
    others = {"Authorization": f"Bearer {colleague.token}"}
    assert_problem(
        await stack.http.delete(f"{url}{items[1]['log_in_id']}/", headers=others), 404, "not_found"
    )
    assert (await stack.http.delete(f"{url}{items[1]['log_in_id']}/", headers=own)).status_code == 204
    assert_problem(await stack.http.get(url, headers=own), 401, "invalid_token")
