"""Logging in: one answer to all bad log-ins, and a limit on failures that no stranger turns against others."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select
from sqlmodel import col

from domain.roles import Role
from storage.catalogue import set_password
from storage.tables import RateLimit
from tests.api.hotels import PASSWORD, HotelDriver
from tests.api.problems import assert_problem
from tests.api.rows import minute_of
from tests.api.stack import another_api

_FAILURES_PER_MIN = 10


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
        address: where the reverse proxy says that the request comes from; one of the hotel's own unless given.
    """
    url = f"{api or hotel.stack.api}/api/staff/auth/token/"
    form = {"username": email or hotel.email(role), "password": password, "grant_type": "password"}
    headers = {"X-Forwarded-For": address or f"2001:db8:{hotel.id:x}::1"}
    return await hotel.stack.http.post(url, data=form, headers=headers)


async def test_bad_log_ins(hotel: HotelDriver) -> None:
    """One answer for all of them: it does not reveal which accounts exist."""
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


async def together(requests: Iterable[Coroutine[Any, Any, httpx.Response]]) -> list[httpx.Response]:
    """Send requests twelve at a time: a machine that is busy answers more of them 503."""
    places = asyncio.Semaphore(12)

    async def send(request: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        async with places:
            return await request

    return await asyncio.gather(*(send(request) for request in requests))


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
    assert statuses == [401] * _FAILURES_PER_MIN + [429] * 2
    other = next(each for each in Role if each is not role)
    assert (await log_in(hotel, other)).status_code == 200, "another account is another count"


async def test_guesses_at_once_do_not_slip_through(hotel: HotelDriver, second_api: str) -> None:
    """However many come at the same time, ten are looked at."""
    apis = [hotel.stack.api, second_api]
    roles = iter(Role)

    async def guess() -> Counter[int]:
        role = next(roles)
        guesses = (log_in(hotel, role, "wrong", api=apis[n % 2]) for n in range(24))
        return Counter(answer.status_code for answer in await together(guesses))

    counted = await until_a_minute_was_enough(hotel, guess)
    assert counted == {401: _FAILURES_PER_MIN, 429: 24 - _FAILURES_PER_MIN}


async def test_success_does_not_count(hotel: HotelDriver) -> None:
    """A correct password may log in any number of times, also at once."""
    for _ in range(2):
        answers = await together(log_in(hotel, Role.VIEWER) for _ in range(3 * _FAILURES_PER_MIN))
        assert {answer.status_code for answer in answers} == {200}


async def test_refused_attempts_count_nowhere(hotel: HotelDriver) -> None:
    """Log-ins work again after the minute of the failures; attempts in between do not prolong it."""
    await together(log_in(hotel, Role.VIEWER, "wrong") for _ in range(3 * _FAILURES_PER_MIN))
    query = select(func.max(RateLimit.attempts)).where(col(RateLimit.subject).startswith("login"))
    async with hotel.stack.database.transaction() as db:
        assert (await db.scalars(query)).one() <= 3 * _FAILURES_PER_MIN
        of_account = query.where(col(RateLimit.subject).startswith("login:"))
        assert (await db.scalars(of_account)).one() <= _FAILURES_PER_MIN


async def test_one_address_guesses_no_more_at_many_accounts(hotel: HotelDriver) -> None:
    """Three times as many failures as at one account; log-ins from another address are not affected."""

    async def guess() -> Counter[int]:
        address = f"2001:db8:{hotel.id:x}:{secrets.token_hex(2)}::1"
        guesses = (
            log_in(hotel, Role.VIEWER, "wrong", email=f"somebody-{n}@{hotel.slug}.test", address=address)
            for n in range(4 * _FAILURES_PER_MIN)
        )
        return Counter(answer.status_code for answer in await together(guesses))

    counted = await until_a_minute_was_enough(hotel, guess)
    assert counted == {401: 3 * _FAILURES_PER_MIN, 429: _FAILURES_PER_MIN}
    assert (await log_in(hotel, Role.VIEWER)).status_code == 200


@pytest.mark.parametrize("forged", ["198.51.100.{}", "2001:db8:ffff:{}::1", "not-an-address-{}"])
async def test_a_caller_cannot_choose_its_address(hotel: HotelDriver, forged: str) -> None:
    """A proxy appends the address it sees; what the caller has put before it counts for nothing."""
    roles = iter(Role)

    async def guess() -> Counter[int]:
        role, seen = next(roles), f"2001:db8:{hotel.id:x}:{secrets.token_hex(2)}::1"
        answers = [
            await log_in(hotel, role, "wrong", address=f"{forged.format(n)}, {seen}")
            for n in range(2 * _FAILURES_PER_MIN)
        ]
        return Counter(answer.status_code for answer in answers)

    counted = await until_a_minute_was_enough(hotel, guess)
    assert counted == {401: _FAILURES_PER_MIN, 429: _FAILURES_PER_MIN}


async def test_a_limit_of_nothing_is_none(hotel: HotelDriver) -> None:
    """0 leaves it to a gateway in front."""
    async with another_api(hotel.stack, rate_limit_login_per_min=0) as api:
        for _ in range(_FAILURES_PER_MIN + 2):
            assert_problem(await log_in(hotel, Role.VIEWER, "wrong", api=api), 401, "invalid_login")


async def test_passwords_in_another_form(hotel: HotelDriver) -> None:
    """Keyboards send an é as one character or as two."""
    async with hotel.stack.database.transaction() as db:
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("caf\u00e9 au lait")
        await set_password(db, hotel.email(Role.VIEWER), hashed)
    assert (await log_in(hotel, Role.VIEWER, "cafe\u0301 au lait")).status_code == 200
