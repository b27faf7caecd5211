"""Managers read the figures of a month or a range, and hand the books to the accountant."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from api.books import safe_cell
from domain.roles import Role
from models import utc_now
from storage.tables import MoneyMovement
from tests.api.hotels import PERSON, HotelDriver, open_hotel
from tests.api.rows import edit
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageClients
from wording.values import plain_amount


async def rows_of(manager: PageClient, address: str) -> list[dict[str, str]]:
    """A CSV file, as a spreadsheet reads it."""
    page = await manager.open(address)
    assert page.status == 200, page.words
    assert page.response.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(page.response.content.decode("utf-8-sig"), newline="")))


def total_minor(rows: list[dict[str, str]], column: str, **where: str) -> int:
    """The sum of a column in cents, over the rows with these values."""
    matching = [row for row in rows if all(row[name] == value for name, value in where.items())]
    return sum(round(float(row[column]) * 100) for row in matching)


async def cancel(hotel: HotelDriver, booking_id: str, refund: str) -> None:
    """Let a manager cancel with a refund."""
    driver = await hotel.staff(Role.MANAGER)
    answer = await driver.cancel(booking_id, refund_amount=refund)
    assert answer.status_code == 200, answer.text


async def test_figures_count_what_happened(
    manager: PageClient, approver: PageClient, hotel: HotelDriver
) -> None:
    empty = await manager.open("/staff/figures/")
    assert "no decisions yet" in empty.words
    slow, quick = await hotel.confirmed(), await hotel.confirmed()
    declined = await hotel.held()
    await approver.submit(f"/staff/bookings/{declined.booking_id}/decline/", reason_code="OTHER")
    await hotel.held()
    now = utc_now()
    for guest, minutes in ((slow, 200), (quick, 20), (declined, 60)):
        await edit(
            hotel,
            guest,
            decision_made_at=now,
            payment_authorized_at=now - timedelta(minutes=minutes, seconds=5),
        )
    page = await manager.open("/staff/figures/")
    for words in (
        "Requests 4",
        "Approved 67% 2 approved, 1 declined",
        "Time to decide 1 h half are quicker; nine of ten within 2 h 52 min",
        "Lapsed holds 0",
        "Held now €150.00 1 hold, EUR; €600.00 was held",
        "Captured €300.00 EUR",
        "Refunded €0.00 in the period",
        "Net €300.00 captured less refunded and paid elsewhere, EUR",
        "Stripe's fees €5.00 for 2 of 2 captures in EUR; net is before them",
    ):
        assert words in page.words, words
    assert "<svg" in page.html
    assert "approved 2" in page.html, "each bar says what it stands for"


async def test_the_totals_of_both_books_are_the_pages(manager: PageClient, hotel: HotelDriver) -> None:
    await hotel.confirmed()
    cancelled = await hotel.confirmed(days_ahead=1)
    await cancel(hotel, cancelled.booking_id, "105.50")
    await hotel.held()
    page = await manager.open("/staff/figures/")
    for words in ("Captured €300.00", "Refunded €105.50", "Paid elsewhere €0.00", "Net €194.50"):
        assert words in page.words, words
    today = hotel.today().isoformat()
    span = f"?from={today}&to={today}"
    money = await rows_of(manager, f"/staff/figures/money.csv{span}")
    assert [total_minor(money, "amount", kind=kind) for kind in ("captured", "refunded")] == [30000, 10550]
    assert total_minor(money, "net") == 19450
    assert {row["currency"] for row in money} == {"EUR"}
    assert "Stripe's fees €5.00 for 2 of 2 captures in EUR; net is before them" in page.words
    assert total_minor(money, "stripe_fee", kind="captured") == 500
    assert {(row["kind"], row["stripe_fee"], row["stripe_fee_currency"]) for row in money} == {
        ("captured", "2.50", "EUR"),
        ("refunded", "", ""),
    }
    bookings = await rows_of(manager, f"/staff/figures/bookings.csv{span}")
    assert len(bookings) == 3
    columns = ("captured", "refunded", "paid_elsewhere", "net")
    assert [total_minor(bookings, column) for column in columns] == [30000, 10550, 0, 19450]
    of_cancelled = next(row for row in bookings if row["booking_id"] == cancelled.booking_id)
    assert (of_cancelled["status"], of_cancelled["nights"]) == ("CANCELLED", "2")
    assert of_cancelled["payment_intent_id"].startswith("pi_")


async def test_a_refund_belongs_to_its_own_month(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    """A month that was handed to the accountant does not change afterwards."""
    guest = await hotel.confirmed()
    await cancel(hotel, guest.booking_id, "150.00")
    earlier = utc_now() - timedelta(days=40)
    async with stack.database.transaction() as db:
        await db.execute(
            update(MoneyMovement)
            .where(col(MoneyMovement.booking_id) == guest.booking_id, col(MoneyMovement.kind) == "captured")
            .values(at=earlier)
        )
    now = await manager.open("/staff/figures/")
    assert "Captured €0.00" in now.words
    assert "Net −€150.00" in now.words
    assert "Stripe's fees Not available Net is before Stripe's fees." in now.words
    then = await manager.open(f"/staff/figures/?month={earlier:%Y-%m}")
    assert f"{earlier:%B %Y}" in then.words
    assert "Captured €150.00" in then.words
    assert "Refunded €0.00" in then.words


async def test_amounts_have_the_currencys_decimals(page_clients: PageClients, stack: ApiStack) -> None:
    kyoto = await open_hotel(stack, currency="JPY", price_minor=15000, timezone="Asia/Tokyo")
    await kyoto.confirmed()
    manager = await page_clients.staff(kyoto, "manager")
    words = (await manager.open("/staff/figures/")).words
    assert "Captured ¥30,000" in words
    assert "Stripe's fees €3.00 for 1 of 1 capture in JPY" in words, (
        "in the currency of the account's balance"
    )
    (row,) = await rows_of(manager, "/staff/figures/money.csv")
    assert (row["net"], row["stripe_fee"], row["stripe_fee_currency"]) == ("30000", "3.00", "EUR")
    (row,) = await rows_of(manager, "/staff/figures/bookings.csv")
    assert (row["total"], row["captured"], row["net"], row["currency"]) == ("30000", "30000", "30000", "JPY")
    assert row["decided_at"].endswith("+09:00")


async def test_no_cell_is_a_formula_and_every_letter_is_kept(manager: PageClient, hotel: HotelDriver) -> None:
    guest = await hotel.held(guest=PERSON | {"first_name": "=SUM(A1)", "last_name": "Ó Sé"})
    page = await manager.open("/staff/figures/bookings.csv")
    assert page.response.content.startswith(b"\xef\xbb\xbf")
    (row,) = await rows_of(manager, "/staff/figures/bookings.csv")
    assert row["booking_id"] == guest.booking_id
    assert row["guest"] == "'=SUM(A1) Ó Sé"
    name = page.response.headers["content-disposition"]
    assert name.startswith(f'attachment; filename="{hotel.slug}-bookings-')


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1"])
def test_what_spreadsheets_run_is_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_other_text_and_amounts_stay_as_they_are() -> None:
    assert safe_cell("Seán O'Connor") == "Seán O'Connor"
    assert [plain_amount(minor, "EUR") for minor in (-1050, 5, 0)] == ["-10.50", "0.05", "0.00"]
    assert plain_amount(-15000, "JPY") == "-15000"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("month=2026-13", "give the month as year-month"),
        ("from=2026-11-02&to=2026-11-01", "the last day must not come before the first"),
        ("from=2025-01-01&to=2026-11-01", "choose at most 366 days"),
        ("from=soon&to=2026-11-01", "give both days as year-month-day"),
    ],
)
async def test_a_period_that_cannot_be_is_refused_in_words(
    manager: PageClient, query: str, words: str
) -> None:
    page = await manager.open(f"/staff/figures/?{query}")
    assert page.status == 422
    assert words.lower() in page.words.lower()
    assert "The last 30 days" in page.words
    assert (await manager.open(f"/staff/figures/money.csv?{query}")).status == 422


async def test_books_are_for_managers(viewer: PageClient, approver: PageClient) -> None:
    for page_client in (viewer, approver):
        for book in ("money", "bookings"):
            assert (await page_client.open(f"/staff/figures/{book}.csv")).status == 403


async def test_a_year_has_totals_and_no_chart(manager: PageClient, hotel: HotelDriver) -> None:
    today = hotel.today()
    page = await manager.open(f"/staff/figures/?from={today - timedelta(days=364)}&to={today}")
    assert "365 days" in page.words
    assert "Charts and tables by day cover up to 62 days." in page.words
    assert "<rect" not in page.html


async def test_days_long_past_are_not_counted(manager: PageClient, hotel: HotelDriver) -> None:
    guest = await hotel.confirmed()
    long_ago = utc_now() - timedelta(days=31)
    await edit(hotel, guest, decision_made_at=long_ago, payment_authorized_at=long_ago)
    words = (await manager.open("/staff/figures/")).words
    assert "Requests 0" in words
    assert "0 approved, 0 declined" in words
