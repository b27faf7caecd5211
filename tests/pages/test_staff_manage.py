"""Managers set terms and accounts."""

from __future__ import annotations

import asyncio

import pytest

from models import Hotel as HotelRow
from models import Staff
from storage.catalogue import hotel_by_slug, staff_with_hotel
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageClients

TERMS = {
    "approval_sla_s": "36",
    "approval_sla_s_unit": "hours",
    "payment_window_s": "2",
    "payment_window_s_unit": "days",
    "check_in_hour": "16",
    "check_out_hour": "10",
    "cutoff_days_before": "3",
    "cutoff_hour": "18",
    "free_cancel_days": "7",
    "late_cancel_fee_percent": "50",
    "contact_email": "",
    "contact_phone": "",
}


async def row_of(stack: ApiStack, hotel: HotelDriver) -> HotelRow:
    async with stack.database.transaction() as db:
        found = await hotel_by_slug(db, hotel.slug)
    assert found is not None
    return found


async def account(stack: ApiStack, email: str) -> Staff | None:
    async with stack.database.transaction() as db:
        found = await staff_with_hotel(db, email)
    return found[0] if found else None


@pytest.mark.parametrize("path", ["figures/", "policy/", "people/", "people/1/"])
async def test_managing_is_for_managers(viewer: PageClient, approver: PageClient, path: str) -> None:
    for page_client in (viewer, approver):
        assert f"/staff/{path}" not in (await page_client.open("/staff/")).links
        assert (await page_client.open(f"/staff/{path}")).status == 403
        await page_client.open("/staff/")
        assert (await page_client.send(f"/staff/{path}", **TERMS)).status in {403, 405}


# --- policy ---------------------------------------------------------------------------------------------


async def test_the_policy_is_set_and_shown_as_it_was_set(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    outcome_page = await manager.submit("/staff/policy/", **TERMS)
    assert "Saved." in outcome_page.words
    row = await row_of(stack, hotel)
    assert (row.approval_sla_s, row.payment_window_s) == (36 * 3600, 2 * 86400)
    assert (row.cutoff_days_before, row.cutoff_hour) == (3, 18)
    assert (row.check_in_hour, row.check_out_hour) == (16, 10)
    assert (row.free_cancel_days, row.late_cancel_fee_percent) == (7, 50)
    assert "seven days before check-in; after that the hotel keeps 50% of the total." in outcome_page.words
    assert 'value="36"' in outcome_page.html


async def test_how_guests_reach_the_hotel_is_set_and_read_by_them(
    manager: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = page_clients.stranger()
    contact = {"contact_email": " front.desk@inn.example ", "contact_phone": "+353 64 555 0100"}
    outcome_page = await manager.submit("/staff/policy/", **(TERMS | contact))
    assert "Saved." in outcome_page.words
    links = (await guest.open(f"/hotels/{hotel.slug}/")).links
    assert {"mailto:front.desk@inn.example", "tel:+353645550100"} <= set(links)
    await manager.submit("/staff/policy/", **TERMS)
    row = await row_of(stack, hotel)
    assert (row.contact_email, row.contact_phone) == (None, None)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("approval_sla_s", "0", "between a second and 30 days"),
        ("approval_sla_s", "31", "between a second and 30 days"),
        ("payment_window_s", "", "must be a whole number"),
        ("payment_window_s_unit", "fortnights", "must have a unit"),
        ("cutoff_hour", "25", "between 0 and 24"),
        ("check_in_hour", "24", "between 0 and 23"),
        ("cutoff_days_before", "-1", "must be a whole number"),
        ("free_cancel_days", "366", "between 0 and 365"),
        ("late_cancel_fee_percent", "101", "between 0 and 100"),
        ("late_cancel_fee_percent", "1.5", "must be a whole number"),
        ("contact_email", "reception", "is not an e-mail address"),
        ("contact_email", f"{'x' * 250}@example.com", "is too long"),
        ("contact_phone", "call us", "is not a telephone number"),
        ("contact_phone", "1" * 41, "is too long"),
    ],
)
async def test_terms_out_of_bounds_are_refused_in_words(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack, field: str, value: str, words: str
) -> None:
    before = (await row_of(stack, hotel)).model_dump()
    form = TERMS | {"approval_sla_s_unit": "days", "approval_sla_s": "1"} | {field: value}
    page = await manager.submit("/staff/policy/", **form)
    assert page.status == 422
    assert words in page.words
    assert (await row_of(stack, hotel)).model_dump() == before


async def test_all_that_is_wrong_with_the_terms_is_told_at_once(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    before = (await row_of(stack, hotel)).model_dump()
    wrong = {"cutoff_hour": "25", "free_cancel_days": "-1", "late_cancel_fee_percent": "101"}
    page = await manager.submit("/staff/policy/", **(TERMS | wrong | {"contact_email": "nobody"}))
    assert page.status == 422
    assert all(f'id="{field}-error"' in page.html for field in (*wrong, "contact_email"))
    assert (await row_of(stack, hotel)).model_dump() == before


# --- accounts -------------------------------------------------------------------------------------------


async def test_an_address_with_an_account_is_not_invited(manager: PageClient, hotel: HotelDriver) -> None:
    again = await manager.submit("/staff/people/", email=f"Viewer@{hotel.slug}.test", role="manager")
    assert again.status == 422
    assert "This address already has an account." in again.words


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("email", "nobody", "Enter an e-mail address"),
        ("role", "owner", "Choose one of the roles."),
    ],
)
async def test_invitations_that_cannot_be_are_refused(
    manager: PageClient, hotel: HotelDriver, field: str, value: str, words: str
) -> None:
    form = {"email": f"x@{hotel.slug}.test", "role": "viewer"} | {field: value}
    page = await manager.submit("/staff/people/", **form)
    assert page.status == 422
    assert words in page.words
    assert "Withdraw" not in page.words


async def test_a_role_a_password_and_a_closed_log_in_count_at_once(
    manager: PageClient, viewer: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    row = await account(stack, f"viewer@{hotel.slug}.test")
    assert row is not None
    path = f"/staff/people/{row.id}/"
    outcome_page = await manager.submit(path, role="manager", active="yes", password="another password")
    assert f"Saved: {row.email}." in outcome_page.words
    assert (await viewer.open("/staff/people/")).status == 303, "the session of before is over"
    assert (await viewer.log_in(row.email)).status == 401
    assert (await viewer.log_in(row.email, "another password")).status == 303
    assert (await viewer.open("/staff/people/")).status == 200
    await manager.submit(path, role="viewer", active="no")
    assert (await viewer.open("/staff/")).status == 303
    assert (await page_clients.stranger().log_in(row.email, "another password")).status == 401


async def test_managers_cannot_lock_themselves_out(
    manager: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    row = await account(stack, f"manager@{hotel.slug}.test")
    assert row is not None
    path = f"/staff/people/{row.id}/"
    for form in ({"role": "approver", "active": "yes"}, {"role": "manager", "active": "no"}):
        page = await manager.submit(path, **form)
        assert page.status == 422
        assert "cannot take your own role or log-in away" in page.words
    page = await manager.submit(path, role="manager", active="yes", password="another password")
    assert (page.status, "under Your account" in page.words) == (422, True), "it needs the current one"
    assert (await page_clients.staff(hotel, "manager")).page is not None


async def test_two_managers_at_once_leave_one(
    manager: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    second = f"second@{hotel.slug}.test"
    async with stack.database.transaction() as db:
        first = await staff_with_hotel(db, f"manager@{hotel.slug}.test")
        assert first is not None
        db.add(Staff(**first[0].model_dump(exclude={"id", "email"}), email=second))
    other = page_clients.stranger()
    await other.log_in(second)
    rows = [await account(stack, email) for email in (f"manager@{hotel.slug}.test", second)]
    ids = [row.id for row in rows if row]
    for page_client, id_ in ((manager, ids[1]), (other, ids[0])):
        await page_client.open(f"/staff/people/{id_}/")
    page = await asyncio.gather(
        manager.send(f"/staff/people/{ids[1]}/", role="viewer", active="yes"),
        other.send(f"/staff/people/{ids[0]}/", role="viewer", active="yes"),
    )
    # The slower manager is refused: by the role that is left, or because the change has ended their session.
    assert sorted(each.status for each in page) in ([303, 303], [303, 403])
    roles = [
        row.role for email in (f"manager@{hotel.slug}.test", second) if (row := await account(stack, email))
    ]
    assert sorted(roles) == ["manager", "viewer"]


async def test_another_hotels_accounts_are_not_there(manager: PageClient, stack: ApiStack) -> None:
    other = await open_hotel(stack)
    row = await account(stack, f"viewer@{other.slug}.test")
    assert row is not None
    path = f"/staff/people/{row.id}/"
    assert (await manager.open(path)).status == 404
    await manager.open("/staff/people/")
    assert (await manager.send(path, role="manager", active="yes")).status == 404
    assert (await manager.open("/staff/people/99999999999/")).status == 422
