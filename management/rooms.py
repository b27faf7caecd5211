"""`room-type`: a hotel's room types and their prices."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from domain.money import Money
from management import checks
from management.tools import Tools, fail, refuse_other_values, say, tools_of
from models import RoomType
from storage import catalogue

app = typer.Typer(no_args_is_help=True, help="Room types and their prices.")

LARGEST_COUNT = 10_000


@app.callback()
def group() -> None:
    """Keep `room-type add` as two words although it is the only command."""


@app.command("add")
def add(
    context: typer.Context,
    hotel: Annotated[str, typer.Option(callback=checks.slug, help="The hotel's slug.")],
    code: Annotated[str, typer.Option(callback=checks.code, help="Its name in requests, such as double.")],
    name: Annotated[str, typer.Option(callback=checks.name, help="As guests read it.")],
    price_per_night: Annotated[str, typer.Option(help="In the hotel's currency, such as 150.00.")],
    max_guests: Annotated[int, typer.Option(min=1, max=100, help="Adults and children.")],
    rooms: Annotated[int, typer.Option(min=1, max=LARGEST_COUNT, help="Number of rooms of this type.")],
) -> None:
    """Add a room type to a hotel."""
    tools = tools_of(context)
    fields = {"code": code, "name": name, "max_guests": max_guests, "rooms": rooms}
    price, added = tools.run(_add(tools, hotel, fields, price_per_night))
    if added:
        say(f"Room type {code} added to {hotel}: {price} {price.currency} a night.")
    else:
        say(f"{hotel} has a room type {code} with these values already; nothing changed.")


async def _add(tools: Tools, slug: str, fields: dict[str, Any], price_text: str) -> tuple[Money, bool]:
    async with tools.database() as database, database.transaction() as db:
        # Locked: the hotel's currency must not change while a price in it is written.
        hotel = await catalogue.hotel_by_slug(db, slug, lock=True)
        if hotel is None or hotel.id is None:
            fail(f"There is no hotel {slug}. `hotel add {slug}` adds it.")
        price = checks.price(price_text, hotel.currency)
        room_type = RoomType(hotel_id=hotel.id, price_per_night_minor=price.minor, **fields)
        if await catalogue.add_unless_there(db, room_type):
            return price, True
        kept = {row.code: row for row in await catalogue.room_types(db, hotel.id)}[room_type.code]
        wanted = fields | {"price_per_night_minor": price.minor}
        refuse_other_values(f"{slug}'s room type {kept.code}", kept, wanted, "`room-type add` changes none.")
        return price, False
