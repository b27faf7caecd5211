"""`hotel list` and `hotel show`: hotels as an operator reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from management import checks
from management.showing import console, room_type_table, table
from management.tools import fail, say, tools_of
from models import Hotel, RoomType
from storage import catalogue

_MOST: Final = 1000


def list_hotels(context: typer.Context) -> None:
    """List the hotels in order of their names."""
    tools = tools_of(context)

    async def work() -> Sequence[Hotel]:
        async with tools.database() as database, database.reading() as db:
            return await catalogue.all_hotels(db, limit=_MOST)

    hotels = tools.run(work())
    if not hotels:
        say("There are no hotels. `hotel add` adds one.")
        return
    rows = [(each.slug, each.name, each.currency, each.timezone) for each in hotels]
    console().print(table("Hotels", ("Slug", "Name", "Currency", "Time zone"), rows))
    if len(hotels) == _MOST:
        say(f"The first {_MOST} are listed.")


def show_hotel(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(callback=checks.slug, help="The hotel's name in URLs.")],
) -> None:
    """Show a hotel's terms, named as `hotel set` takes them, and its room types."""
    tools = tools_of(context)

    async def work() -> tuple[Hotel, Sequence[RoomType]]:
        async with tools.database() as database, database.reading() as db:
            hotel = await catalogue.hotel_by_slug(db, slug)
            if hotel is None or hotel.id is None:
                fail(f"There is no hotel {slug}. `hotel list` lists them.")
            return hotel, await catalogue.room_types(db, hotel.id)

    hotel, room_types = tools.run(work())
    out = console()
    terms = [(name.replace("_", "-"), _value(getattr(hotel, name))) for name in _TERMS]
    out.print(table(f"Hotel {slug}", ("Term", "Value"), terms))
    out.print()
    out.print(room_type_table(hotel, room_types))
    out.print()
    say(f"Guests book at {tools.settings.public_base_url}/hotels/{slug}/")


_TERMS: Final = [name for name in Hotel.model_fields if name not in {"id", "slug"}]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
