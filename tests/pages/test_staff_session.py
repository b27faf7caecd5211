"""Logging in at the console, being sent there and back, and logging out."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from api.auth import STAFF_TOKEN_S, staff_token
from models import Staff, utc_now
from tests.api.hotels import PASSWORD, HotelDriver
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
    assert {"httponly", "samesite=lax", "path=/staff/", f"max-age={STAFF_TOKEN_S}"} <= attributes


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
    long_ago = utc_now() - timedelta(seconds=STAFF_TOKEN_S + 60)
    approver.http.cookies.set("staff", staff_token(AUTH_SECRET, 1, long_ago), path="/staff/")
    page = await approver.send(path)
    assert (page.status, page.location) == (
        303,
        f"/staff/log-in/?next=%2Fstaff%2Fbookings%2F{guest.booking_id}%2Fapprove%2F",
    )
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
        from storage.catalogue import staff_with_hotel

        found = await staff_with_hotel(db, f"viewer@{hotel.slug}.test")
        assert found is not None
        staff: Staff = found[0]
        staff.active = False
    assert (await viewer.open("/staff/")).status == 303


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
