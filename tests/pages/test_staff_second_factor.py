"""The second factor: set up in the console, asked for by the console and the API, lost, reset and required."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from domain.roles import Role
from models import Staff
from storage.account_tables import RecoveryCode, SecondFactor
from storage.catalogue import staff_with_hotel
from storage.second_factors import recovery_codes_left
from tests.api.hotels import PASSWORD, HotelDriver
from tests.api.problems import assert_problem
from tests.api.stack import ApiStack
from tests.pages.authenticator import SECOND_FACTOR, Authenticator, set_up
from tests.pages.page_client import PageClient, PageClients, PageContent


async def token(hotel: HotelDriver, role: str, otp: str | None = None, client: int = 1) -> httpx.Response:
    """Log in at the API."""
    form = {"username": f"{role}@{hotel.slug}.test", "password": PASSWORD} | ({"otp": otp} if otp else {})
    headers = {"X-Forwarded-For": f"2001:db8:{hotel.id:x}:{client:x}::7"}
    url = f"{hotel.stack.api}/api/staff/auth/token/"
    return await hotel.stack.http.post(url, data=form, headers=headers)


async def staff_of(stack: ApiStack, email: str) -> Staff:
    async with stack.database.reading() as db:
        found = await staff_with_hotel(db, email)
    assert found is not None
    return found[0]


async def factors(stack: ApiStack, staff_id: int | None) -> Sequence[SecondFactor]:
    async with stack.database.reading() as db:
        return (await db.scalars(select(SecondFactor).where(col(SecondFactor.staff_id) == staff_id))).all()


async def enter_code(person: PageClient, hotel: HotelDriver, role: str, otp: str) -> PageContent:
    """Log in at the console: password, then code."""
    person.page = await person.log_in(
        f"{role}@{hotel.slug}.test", path="/staff/log-in/?next=/staff/arrivals/"
    )
    assert (person.page.status, "authenticator app" in person.page.words) == (200, True)
    return await person.send("/staff/log-in/code/", otp=otp)


async def test_a_code_is_needed_besides_the_password(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver
) -> None:
    elsewhere, person = await page_clients.staff(hotel, "viewer"), page_clients.stranger()
    app, _ = await set_up(viewer)
    assert (await viewer.open("/staff/")).status == 200, "logged in again in this browser"
    assert (await elsewhere.open("/staff/")).status == 303, "ended elsewhere"
    wrong = await enter_code(person, hotel, "viewer", app.wrong_code())
    assert (wrong.status, "This code is wrong, or was used before." in wrong.words) == (401, True)
    assert (await person.open("/staff/")).status == 303
    page = await enter_code(person, hotel, "viewer", app.code())
    assert (page.status, page.location) == (303, "/staff/arrivals/")
    assert (await person.open("/staff/")).status == 200


async def test_the_token_endpoint_takes_a_code_once(viewer: PageClient, hotel: HotelDriver) -> None:
    app, recovery_codes = await set_up(viewer)
    assert_problem(await token(hotel, "viewer"), 401, "otp_required")
    code = app.code()
    answer = await token(hotel, "viewer", f"{code[:3]} {code[3:]}")
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "bearer"
    assert_problem(await token(hotel, "viewer", code), 401, "invalid_otp")
    assert (await token(hotel, "viewer", recovery_codes[0])).status_code == 200


async def test_the_code_that_set_it_up_does_not_log_in(viewer: PageClient, hotel: HotelDriver) -> None:
    app = Authenticator(await viewer.open(SECOND_FACTOR))
    code = app.code()
    assert (await viewer.send(SECOND_FACTOR, otp=code, current=PASSWORD)).status == 200
    assert_problem(await token(hotel, "viewer", code), 401, "invalid_otp")


async def test_a_wrong_password_does_not_ask_for_a_code(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver
) -> None:
    await set_up(viewer)
    page = await page_clients.stranger().log_in(f"viewer@{hotel.slug}.test", "wrong")
    assert (page.status, "authenticator" in page.words) == (401, False)


async def test_a_recovery_code_counts_once(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    _, codes = await set_up(viewer)
    typed = f" {codes[0].lower().replace('-', ' ')} "
    assert (await token(hotel, "viewer", typed)).status_code == 200
    assert_problem(await token(hotel, "viewer", codes[0]), 401, "invalid_otp")
    assert (await enter_code(page_clients.stranger(), hotel, "viewer", codes[1])).status == 303
    assert "8 recovery codes are left" in (await viewer.open(SECOND_FACTOR)).words
    page = await viewer.send(f"{SECOND_FACTOR}recovery-codes/", current=PASSWORD)
    assert "These replace your earlier codes." in page.words
    assert_problem(await token(hotel, "viewer", codes[2]), 401, "invalid_otp")
    async with stack.database.reading() as db:
        stored = (await db.scalars(select(col(RecoveryCode.code_hash)))).all()
    assert not any(code in "".join(stored) for code in codes)


async def test_guessing_codes_is_limited_also_from_many_addresses(
    viewer: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    app, _ = await set_up(viewer)
    most = stack.settings.rate_limit_login_per_min
    answers = [await token(hotel, "viewer", app.wrong_code(), client=n // 4) for n in range(most + 2)]
    assert [each.status_code for each in answers] == [401] * most + [429] * 2
    assert (await token(hotel, "viewer", app.code(), client=99)).status_code == 429
    assert_problem(await token(hotel, "viewer", client=99), 401, "otp_required")


async def test_secrets_are_encrypted_and_bound_to_their_account(
    viewer: PageClient, stack: ApiStack, hotel: HotelDriver
) -> None:
    app, _ = await set_up(viewer)
    staff = await staff_of(stack, f"viewer@{hotel.slug}.test")
    [factor] = await factors(stack, staff.id)
    assert app.totp.secret not in factor.encrypted_secret
    other = await staff_of(stack, f"approver@{hotel.slug}.test")
    async with stack.database.transaction() as db:
        assert other.id is not None
        db.add(SecondFactor(staff_id=other.id, encrypted_secret=factor.encrypted_secret, last_step=0))
    assert_problem(await token(hotel, "approver", app.code()), 401, "invalid_otp")


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"otp": "000000x"}, 422, "This is not the app's current code."),
        ({"current": "wrong"}, 401, "This is not your current password."),
        ({"setup": "x"}, 422, "Scan the new QR code."),
        ({"setup": "é"}, 422, "Scan the new QR code."),
    ],
)
async def test_what_does_not_set_it_up(
    viewer: PageClient, stack: ApiStack, hotel: HotelDriver, fields: dict[str, str], status: int, words: str
) -> None:
    app = Authenticator(await viewer.open(SECOND_FACTOR))
    page = await viewer.send(SECOND_FACTOR, **({"otp": app.code(), "current": PASSWORD} | fields))
    assert (page.status, words in page.words) == (status, True)
    staff = await staff_of(stack, f"viewer@{hotel.slug}.test")
    assert await factors(stack, staff.id) == []
    assert (await viewer.open("/staff/")).status == 200


async def test_it_is_removed_with_the_password(viewer: PageClient, hotel: HotelDriver) -> None:
    await set_up(viewer)
    await viewer.open(SECOND_FACTOR)
    assert (await viewer.send(f"{SECOND_FACTOR}remove/", current="wrong")).status == 401
    assert_problem(await token(hotel, "viewer"), 401, "otp_required")
    page = await viewer.send(f"{SECOND_FACTOR}remove/", current=PASSWORD)
    assert "The second factor is removed." in (await viewer.open(page.location)).words
    assert (await token(hotel, "viewer")).status_code == 200


async def test_another_manager_resets_it(
    manager: PageClient, viewer: PageClient, approver: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    await set_up(viewer)
    await set_up(manager)
    account = await staff_of(stack, f"viewer@{hotel.slug}.test")
    own = await staff_of(stack, f"manager@{hotel.slug}.test")
    path = "/staff/people/{}/second-factor/reset/"
    await approver.open("/staff/")
    assert (await approver.send(path.format(account.id))).status == 403
    await manager.open(f"/staff/people/{account.id}/")
    assert (await manager.send(path.format(own.id))).status == 403, "not one's own"
    assert (await manager.send(path.format(account.id))).status == 303
    assert (await viewer.open("/staff/")).status == 303, "log-ins have ended"
    assert (await token(hotel, "viewer")).status_code == 200


async def test_a_hotel_requires_it_of_managers(
    manager: PageClient, approver: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    """At once, in the console and at the API; what is left to them is to set it up."""
    driver, decider = await hotel.staff(Role.MANAGER), await hotel.staff(Role.APPROVER)
    await manager.open("/staff/people/")
    page = await manager.send("/staff/required-second-factor/", required="yes")
    assert page.status == 303
    page = await manager.open(page.location)
    assert (page.status, page.location) == (303, SECOND_FACTOR)
    part = await manager.open("/staff/", hx_request="true", hx_current_url="http://x/staff/")
    assert (part.status, part.response.headers["hx-redirect"]) == (401, SECOND_FACTOR)
    assert_problem(await driver.ask("GET", ""), 403, "second_factor_needed")
    form = {"socket_id": "1.2", "channel_name": f"private-staff-{hotel.slug}"}
    headers = {"Authorization": f"Bearer {driver.token}"}
    listening = await stack.http.post(f"{stack.api}/api/realtime/auth/", data=form, headers=headers)
    assert_problem(listening, 403, "forbidden")
    assert (await decider.ask("GET", "")).status_code == 200
    assert (await approver.open("/staff/")).status == 200, "of managers alone"
    assert "Set it up to go on." in (await manager.open(SECOND_FACTOR)).words
    app, _ = await set_up(manager)
    assert (await manager.open("/staff/people/")).status == 200
    assert (await token(hotel, "manager", app.code())).status_code == 200
    await manager.open(SECOND_FACTOR)
    assert (await manager.send(f"{SECOND_FACTOR}remove/", current=PASSWORD)).status == 403


async def test_codes_guessed_at_the_same_time_are_checked_one_after_the_other(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Beyond the limit none is looked at: a right one among them is not used up."""
    _, codes = await set_up(viewer)
    person = page_clients.stranger()
    person.page = await person.log_in(f"viewer@{hotel.slug}.test")
    guesses = [
        *[f"guess {number}" for number in range(3 * stack.settings.rate_limit_login_per_min)],
        codes[0],
    ]
    pages = await asyncio.gather(*(person.send("/staff/log-in/code/", otp=otp) for otp in guesses))
    assert Counter(page.status for page in pages) == {
        401: stack.settings.rate_limit_login_per_min,
        429: len(guesses) - stack.settings.rate_limit_login_per_min,
    }
    staff = await staff_of(stack, f"viewer@{hotel.slug}.test")
    assert staff.id is not None
    async with stack.database.reading() as db:
        assert await recovery_codes_left(db, staff.id) == len(codes)


async def test_a_first_step_alone_opens_nothing(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver
) -> None:
    """The token between password and code is no log-in, and a log-in's token is no first step."""
    await set_up(viewer)
    person = page_clients.stranger()
    page = await person.log_in(f"viewer@{hotel.slug}.test")
    person.http.cookies.set("staff", page.hidden["step"], path="/staff/")
    assert (await person.open("/staff/")).status == 303
    await person.open("/staff/log-in/")
    session = viewer.http.cookies.get("staff", path="/staff/") or ""
    for step in (session, "x", ""):
        page = await person.send("/staff/log-in/code/", step=step, otp="1")
        assert (page.status, page.location) == (303, "/staff/log-in/")
