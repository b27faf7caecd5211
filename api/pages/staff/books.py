"""The page of figures for a period, and the period's books as files."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from fastapi.responses import Response

from api.books import Book, file_name, write_book
from api.errors import invalid
from api.outages import reading
from api.pages.staff.console import Console, ManagingConsole, staff_router
from api.pages.staff.figures import DRAWN_DAYS, PeriodChoice, choose_period, figures
from api.pages.staff.plot import FLOOR, HEIGHT, LEFT, RIGHT, WIDTH
from domain.errors import PeriodError
from domain.period import LONGEST_DAYS
from models import utc_now
from wording.values import axis_day, count_in_words, duration_in_words, sentence, short_day

router = staff_router()

_SIZE: Final = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "floor": FLOOR}


@router.get("/figures/")
async def figures_page(console: ManagingConsole) -> Response:
    """A month or a range of days, counted and drawn; the last thirty days if none is chosen."""
    query = dict(console.page.request.query_params)
    now = utc_now()
    try:
        return await _show(console, choose_period(query, console.hotel, now), now)
    except PeriodError as error:
        return await _show(
            console, choose_period({}, console.hotel, now), now, f"{sentence(str(error))}.", query
        )


@router.get("/figures/{book}.csv")
async def book_file(console: ManagingConsole, book: Book) -> Response:
    """One of the two books of a period."""
    try:
        choice = choose_period(dict(console.page.request.query_params), console.hotel, utc_now())
    except PeriodError as error:
        raise invalid("from", str(error)) from None
    async with reading(console.services.database) as db:
        content = await write_book(db, console.hotel, book, choice.period)
    name = file_name(console.hotel, book, choice.period)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


async def _show(
    console: Console,
    choice: PeriodChoice,
    now: datetime,
    error: str | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    async with reading(console.services.database) as db:
        found = await figures(db, console.hotel, choice.period)
        frame = await console.frame(db)
    period, given = choice.period, given or {}
    return await console.show(
        "figures.html",
        422 if error else 200,
        frame=frame,
        figures=found,
        choice=choice,
        error=error,
        range_from=given.get("from", period.first.isoformat()),
        range_to=given.get("to", period.last.isoformat()),
        longest_days=LONGEST_DAYS,
        drawn=len(period.days) <= DRAWN_DAYS,
        drawn_days=DRAWN_DAYS,
        days=count_in_words(len(period.days), "day"),
        includes_now=period.instants(console.hotel.timezone)[1] > now,
        books=f"?from={period.first}&to={period.last}",
        size=_SIZE,
        duration_in_words=duration_in_words,
        count_in_words=count_in_words,
        short_day=short_day,
        axis_day=axis_day,
    )
