"""Logging in at the console, being sent there and back, and logging out."""

from __future__ import annotations

import secrets
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from api.auth import staff_token
from domain.roles import Role
from models import Staff, utc_now
from storage.catalogue import staff_with_hotel
from storage.log_ins import LOG_IN_S
from tests.api.hotels import PASSWORD, SOMEBODY, HotelDriver
from tests.api.problems import assert_problem
from tests.api.stack import AUTH_SECRET, ApiStack
from tests.pages.page_client import PageClient, PageClients


async def test_a_stranger_is_sent_to_the_log_in_and_back_to_where_they_were_going(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    stranger = page_clients.stranger()
    page = await stranger.open("/staff/?view=confirmed&q=ada")
    assert (page.status, page.location) == (
        303,
        "/staff/log-in/?next=%2Fstaff%2F%3Fview%3Dconfirmed%26q%3Dada",
    )
    page = await stranger.log_in(f"viewer@{hotel.slug}.test", path=page.location)
    assert (page.status, page.location) == (303, "/staff/?view=confirmed&q=ada")
    assert "Confirmed" in (await stranger.open(page.location)).words


async def test_the_session_cookie_is_out_of_reach_for_scripts_and_other_sites(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    stranger = page_clients.stranger()
    page = await stranger.log_in(f"viewer@{hotel.slug}.test")
    cookies = page.response.headers.get_list("set-cookie")
    [session] = [cookie for cookie in cookies if cookie.startswith("staff=")]
    attributes = {part.strip().lower() for part in session.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/staff/", f"max-age={LOG_IN_S + 16 * 3600}"} <= attributes


async def test_a_wrong_password_is_told_without_telling_who_exists(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    stranger = page_clients.stranger()
    known = await stranger.log_in(f"viewer@{hotel.slug}.test", "wrong")
    unknown = await stranger.log_in(f"nobody@{hotel.slug}.test", "wrong")
    assert (known.status, unknown.status) == (401, 401)
    assert "E-mail address or password is wrong." in known.words
    assert known.words == unknown.words
    assert "wrong" not in known.html.replace("password is wrong", "")


async def test_log_ins_are_limited_as_at_the_api(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    stranger, email = page_clients.stranger(), f"viewer@{hotel.slug}.test"
    statuses = [
        (await stranger.log_in(email, "wrong")).status
        for _ in range(2 * stack.settings.rate_limit_login_per_min + 1)
    ]
    assert 429 in statuses
    if statuses[-1] == 429:
        assert (await stranger.log_in(email)).status == 429, "the right password gets no further"


@pytest.mark.parametrize(
    "after",
    [
        "https://evil.test/staff/",
        "//evil.test/staff/",
        "/staff/\\evil.test",
        "/staff//evil.test/",
        "/hotels/",
        "/staff/log-in/",
        "javascript:alert(1)",
    ],
)
async def test_a_log_in_leads_nowhere_but_to_the_console(
    page_clients: PageClients, hotel: HotelDriver, after: str
) -> None:
    stranger = page_clients.stranger()
    await stranger.open("/staff/log-in/")
    page = await stranger.send(
        "/staff/log-in/", email=f"viewer@{hotel.slug}.test", password=PASSWORD, next=after
    )
    assert (page.status, page.location) == (303, "/staff/")


async def test_a_session_that_has_run_out_leads_back_to_the_form_it_was_on(
    approver: PageClient, hotel: HotelDriver
) -> None:
    guest = await hotel.held()
    path = f"/staff/bookings/{guest.booking_id}/approve/"
    await approver.open(path)
    long_ago = utc_now() - timedelta(seconds=LOG_IN_S + 60)
    approver.http.cookies.set("staff", staff_token(AUTH_SECRET, SOMEBODY, "0" * 32, long_ago), path="/staff/")
    page = await approver.send(path)
    assert (page.status, page.location) == (
        303,
        f"/staff/log-in/?next=%2Fstaff%2Fbookings%2F{guest.booking_id}%2Fapprove%2F&ended=yes",
    )
    log_in = await approver.open(page.location)
    assert "You were logged out after 8 hours." in log_in.words
    assert (await guest.read_booking())["status"] == "PENDING_APPROVAL"


async def test_a_part_that_is_fetched_without_a_session_takes_the_whole_page_to_the_log_in(
    page_clients: PageClients,
) -> None:
    page = await page_clients.stranger().open(
        "/staff/", hx_request="true", hx_current_url="http://x/staff/?view=all"
    )
    assert page.status == 401
    assert page.response.headers["hx-redirect"] == "/staff/log-in/?next=%2Fstaff%2F%3Fview%3Dall"


async def test_logging_out_ends_the_session(viewer: PageClient) -> None:
    await viewer.open("/staff/")
    page = await viewer.send("/staff/log-out/")
    assert (page.status, page.location) == (303, "/staff/log-in/")
    assert (await viewer.open("/staff/")).status == 303


async def test_who_may_not_log_in_any_more_is_out_at_once(
    viewer: PageClient, stack: ApiStack, hotel: HotelDriver
) -> None:
    assert (await viewer.open("/staff/")).status == 200
    async with stack.database.transaction() as db:
        found = await staff_with_hotel(db, f"viewer@{hotel.slug}.test")
        assert found is not None
        staff: Staff = found[0]
        staff.active = False
    assert (await viewer.open("/staff/")).status == 303


async def test_logging_out_ends_copies_of_the_cookie_and_no_other_log_in(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver
) -> None:
    copy, driver = page_clients.stranger(), await hotel.staff(Role.VIEWER)
    copy.http.cookies.set("staff", viewer.http.cookies.get("staff", path="/staff/") or "", path="/staff/")
    assert (await copy.open("/staff/")).status == 200
    await viewer.open("/staff/")
    await viewer.send("/staff/log-out/")
    assert (await copy.open("/staff/")).status == 303
    assert (await driver.ask("GET", "")).status_code == 200, "the token is another log-in"
    assert (await page_clients.staff(hotel, "viewer")).page is not None, "a new session begins"


@pytest.mark.parametrize(
    "changes",
    [
        [{"role": "viewer", "active": "yes", "password": "another password"}],
        [{"role": "approver", "active": "yes"}, {"role": "viewer", "active": "yes"}],
        [{"role": "viewer", "active": "no"}, {"role": "viewer", "active": "yes"}],
    ],
    ids=["password", "role", "closed and opened"],
)
async def test_changed_credentials_end_every_session(
    manager: PageClient,
    viewer: PageClient,
    hotel: HotelDriver,
    stack: ApiStack,
    changes: list[dict[str, str]],
) -> None:
    """Cookies and tokens of before are worth nothing at once, also where the account is as it was."""
    driver, approver = await hotel.staff(Role.VIEWER), await hotel.staff(Role.APPROVER)
    account = await account_of(stack, f"viewer@{hotel.slug}.test")
    unchanged = await manager.submit(f"/staff/people/{account.id}/", role="viewer", active="yes")
    assert unchanged.status == 200
    assert (await driver.ask("GET", "")).status_code == 200, "what changes nothing ends nothing"
    for change in changes:
        await manager.submit(f"/staff/people/{account.id}/", **change)
    assert_problem(await driver.ask("GET", ""), 401, "invalid_token")
    form = {"socket_id": "1.2", "channel_name": f"private-staff-{hotel.slug}"}
    headers = {"Authorization": f"Bearer {driver.token}"}
    listening = await stack.http.post(f"{stack.api}/api/realtime/auth/", data=form, headers=headers)
    assert_problem(listening, 403, "forbidden")
    assert (await viewer.open("/staff/")).status == 303
    assert (await approver.ask("GET", "")).status_code == 200, "a colleague's goes on"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://["},
        {"Origin": "//["},
        {"Origin": "null"},
        {"Origin": "\u00bd"},
        {"Host": "[", "Origin": "http://evil.test"},
    ],
    ids=str,
)
async def test_forms_from_an_origin_that_is_none_are_refused(
    page_clients: PageClients, hotel: HotelDriver, headers: dict[str, str]
) -> None:
    stranger = page_clients.stranger()
    await stranger.open("/staff/log-in/")
    assert stranger.page is not None
    form = stranger.page.hidden | {"email": f"viewer@{hotel.slug}.test", "password": PASSWORD}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    assert (await stranger.http.post("/staff/log-in/", data=form, headers=raw)).status_code in {400, 403}


_ODD = ("//[", "http://[", "[", "http://[::1", "http://x:y/", "\u00bd", "/staff/?next=//[", "a]b", "//\u2100")
_BELIEVED = ("Host", "Origin", "Referer", "HX-Current-URL", "X-Forwarded-For", "X-Forwarded-Proto",
             "X-Forwarded-Host", "Forwarded", "Cookie", "X-Request-ID", "Sec-Fetch-Site")  # fmt: skip


@pytest.mark.parametrize("header", _BELIEVED)
async def test_no_header_brings_a_page_down(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver, header: str
) -> None:
    """Any header or query gets an answer or a refusal, never a 500."""
    stranger = page_clients.stranger()
    for odd in _ODD:
        raw = [(header.encode(), odd.encode()), (b"HX-Request", b"true")]
        for browser in (viewer, stranger):
            for path in (
                "/staff/",
                "/staff/log-in/",
                "/",
                f"/hotels/{hotel.slug}/",
                "/bookings/BK-1/",
                "/healthz",
            ):
                for given in (raw, raw[:1]):
                    response = await browser.http.get(path, headers=given)
                    assert response.status_code < 500, (path, odd)


@pytest.mark.parametrize("odd", [*_ODD, "\x00", "x" * 600])
async def test_no_address_brings_a_page_down(viewer: PageClient, page_clients: PageClients, odd: str) -> None:
    """The log-in leads to the console; what was asked for wrongly is passed over or refused."""
    stranger = page_clients.stranger()
    for name in ("next", "cursor", "q", "view", "session_id", "code", "token", "seen", "decision", "saved"):
        for path in (
            "/staff/log-in/",
            "/staff/",
            "/staff/people/",
            "/staff/bookings/BK-1/",
            "/bookings/BK-1/",
        ):
            for browser in (viewer, stranger):
                assert (await browser.http.get(path, params={name: odd})).status_code < 500, (path, name)
    page = await stranger.open(f"/staff/log-in/?{urlencode({'next': odd})}")
    assert page.hidden["next"] == "/staff/" or odd.startswith("/staff/")


async def account_of(stack: ApiStack, email: str) -> Staff:
    """An account, as it stands."""
    async with stack.database.transaction() as db:
        found = await staff_with_hotel(db, email)
    assert found is not None
    return found[0]


async def test_a_session_opens_the_channels_of_its_own_hotel_only(
    viewer: PageClient, hotel: HotelDriver
) -> None:
    guest = await hotel.submitted()
    await viewer.open("/staff/")
    for channel, status in (
        (f"private-staff-{hotel.slug}", 200),
        (f"private-booking-{guest.booking_id}", 200),
        (f"private-staff-another-{secrets.token_hex(3)}", 403),
        ("private-booking-BK-00000-00000-00000", 403),
        ("presence channel!", 422),
    ):
        page = await viewer.send("/staff/realtime/", socket_id="1.2", channel_name=channel)
        assert page.status == status, channel
    await viewer.open("/staff/")
    assert viewer.page is not None
    viewer.page.hidden = {}
    assert (
        await viewer.send("/staff/realtime/", socket_id="1.2", channel_name=f"private-staff-{hotel.slug}")
    ).status == 403
