"""`hotel export`: a hotel's books of a month or range as CSV, the same files as the console's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.books import Book, file_name, write_book
from domain.errors import PeriodError
from domain.period import Period, parse_month, parse_range
from management import checks
from management.tools import fail, say, tools_of
from storage import catalogue


def export(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(callback=checks.slug, help="The hotel's name in URLs.")],
    book: Annotated[Book, typer.Argument(help="Bookings, or money movements.")],
    month: Annotated[str | None, typer.Option(help="A month, such as 2026-11.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, such as 2026-11-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, included.")] = None,
    folder: Annotated[
        Path, typer.Option(file_okay=False, exists=True, writable=True, help="Folder for the file.")
    ] = Path(),
) -> None:
    """Write a hotel's bookings or money movements of a month or range to a CSV file, in the hotel's time zone.

    The totals are those of the console's page of figures. An existing file of the same name is replaced.
    """
    period = _period(month, first, last)
    tools = tools_of(context)

    async def work() -> tuple[str, bytes]:
        async with tools.database() as database, database.reading() as db:
            hotel = await catalogue.hotel_by_slug(db, slug)
            if hotel is None:
                fail(f"There is no hotel {slug}. `hotel list` lists them.")
            return file_name(hotel, book, period), await write_book(db, hotel, book, period)

    name, content = tools.run(work())
    path = folder / name
    path.write_bytes(content)
    say(f"Written: {path}")


def _period(month: str | None, first: str | None, last: str | None) -> Period:
    if (month is None) == (first is None and last is None):
        raise typer.BadParameter("give either --month, or --from and --to")
    try:
        return parse_range(first or "", last or "") if month is None else parse_month(month)
    except PeriodError as error:
        raise typer.BadParameter(str(error)) from None
