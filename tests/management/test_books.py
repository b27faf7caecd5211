"""`hotel export` writes the console's books."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from domain.booking import Event
from domain.money import Money
from storage.bookings import apply_change
from storage.stripe_fees import keep_fee
from tests.management.harness import ManagementHarness
from tests.storage.rows import T0, change_of, create_hotel, held


def _rows(folder: Path, pattern: str) -> list[dict[str, str]]:
    """The rows of the one file with such a name."""
    (file,) = folder.glob(pattern)
    return list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))


async def test_a_month_of_both_books_is_written(shared_harness: ManagementHarness, tmp_path: Path) -> None:
    hotel = await create_hotel(shared_harness.database, timezone="UTC", slug="books-of-a-month")
    booking = await held(shared_harness.database, hotel)
    change = change_of(booking, Event.APPROVED, amount_captured_minor=15000)
    async with shared_harness.database.transaction() as db:
        await apply_change(db, change)
        await keep_fee(db, booking.booking_id, booking.payment_intent_id or "", Money(250, "EUR"))
    for book in ("bookings", "money"):
        arguments = ("hotel", "export", "books-of-a-month", book, "--month", f"{change.at:%Y-%m}")
        words = await shared_harness.done(*arguments, "--folder", str(tmp_path))
        assert "Written:" in words
    for book, column in (("bookings", "captured"), ("money", "amount")):
        (row,) = _rows(tmp_path, f"books-of-a-month-{book}-*.csv")
        assert row.get("stripe_fee", "2.50") == "2.50"
        assert (row["booking_id"], row[column], row["net"]) == (booking.booking_id, "150.00", "150.00")
    assert (await shared_harness.run(*arguments, "--from", "2026-01-01")).exit_code == 2


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ((), 2, "either --month"),
        (("--month", "2026"), 2, "as year-month"),
        (("--from", "2026-01-01"), 2, "give both days"),
        (("--month", f"{T0:%Y-%m}"), 1, "There is no hotel"),
    ],
)
async def test_what_cannot_be_written_is_refused(
    shared_harness: ManagementHarness, options: tuple[str, ...], status: int, words: str
) -> None:
    result = await shared_harness.run("hotel", "export", "no-such-hotel", "money", *options)
    assert result.exit_code == status
    assert words in " ".join(result.stderr.replace("│", " ").split())
