"""`room-type`: a hotel's room types and their prices."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Money
from domain.room_types import BOUNDS
from management import blocks, checks
from management.blocks import bookings_named
from management.showing import console, room_type_table
from management.tools import Tools, fail, refuse_other_values, say, tools_of
from models import Hotel, RoomType
from storage import catalogue

app = typer.Typer(no_args_is_help=True, help="Room types, their prices, and rooms out of service.")
app.command("block")(blocks.block)
app.command("unblock")(blocks.unblock)

HotelSlug = Annotated[str, typer.Option(callback=checks.slug, help="The hotel's slug.")]
Code = Annotated[
    str, typer.Option(callback=checks.code, help="The room type's name in requests, such as double.")
]
Name = Annotated[str | None, typer.Option(callback=checks.name, help="Its name, as guests read it.")]
Price = Annotated[str | None, typer.Option(help="Price per night in the hotel's currency, such as 150.00.")]
MaxGuests = Annotated[
    int | None,
    typer.Option(
        min=BOUNDS["max_guests"].least,
        max=BOUNDS["max_guests"].most,
        help="Most guests: adults and children.",
    ),
]
Rooms = Annotated[
    int | None,
    typer.Option(min=BOUNDS["rooms"].least, max=BOUNDS["rooms"].most, help="Number of rooms of this type."),
]


@app.command("add")
def add(
    context: typer.Context,
    hotel: HotelSlug,
    code: Code,
    name: Name,
    price_per_night: Price,
    max_guests: MaxGuests,
    rooms: Rooms,
) -> None:
    """Add a room type to a hotel."""
    tools = tools_of(context)
    fields = {"code": code, "name": name, "max_guests": max_guests, "rooms": rooms}
    assert price_per_night is not None, "an option without a default is required"
    price, added = tools.run(_add(tools, hotel, fields, price_per_night))
    if added:
        say(f"Room type {code} added to {hotel}: {price} {price.currency} a night.")
    else:
        say(f"{hotel} has a room type {code} with these values already; nothing changed.")


async def _add(tools: Tools, slug: str, fields: dict[str, Any], price_text: str) -> tuple[Money, bool]:
    async with tools.database() as database, database.transaction() as db:
        hotel, hotel_id = await _lock_hotel(db, slug)
        price = checks.price(price_text, hotel.currency)
        room_type = RoomType(hotel_id=hotel_id, price_per_night_minor=price.minor, **fields)
        if await catalogue.add_unless_there(db, room_type):
            return price, True
        kept = await catalogue.room_type_by_code(db, hotel_id, room_type.code)
        wanted = fields | {"price_per_night_minor": price.minor}
        how = "`room-type set` changes them."
        refuse_other_values(f"{slug}'s room type {room_type.code}", kept, wanted, how)
        return price, False


@app.command("set")
def set_(
    context: typer.Context,
    hotel: HotelSlug,
    code: Code,
    name: Name = None,
    price_per_night: Price = None,
    max_guests: MaxGuests = None,
    rooms: Rooms = None,
) -> None:
    """Change a room type; bookings made before keep their price, and their rooms."""
    given = {"name": name, "max_guests": max_guests, "rooms": rooms}
    fields = {key: value for key, value in given.items() if value is not None}
    if not fields and price_per_night is None:
        raise typer.BadParameter("nothing to set: give at least one of the options (see --help)")
    tools = tools_of(context)
    changes = tools.run(_set(tools, hotel, code, fields, price_per_night))
    told = f"{', '.join(changes)}." if changes else "is so already; nothing changed."
    say(f"{hotel}'s room type {code}{':' if changes else ''} {told}")


async def _set(
    tools: Tools, slug: str, code: str, fields: dict[str, Any], price_text: str | None
) -> list[str]:
    """Set the values that differ, and return the changes in words."""
    async with tools.database() as database, database.transaction() as db:
        hotel, hotel_id = await _lock_hotel(db, slug)
        room_type = await catalogue.room_type_by_code(db, hotel_id, code)
        if room_type is None:
            fail(f"{slug} has no room type {code}. `room-type list --hotel {slug}` lists them.")
        if price_text is not None:
            fields |= {"price_per_night_minor": checks.price(price_text, hotel.currency).minor}
        with bookings_named(f"{slug}'s room type {code} cannot be changed"):
            former = await catalogue.change_room_type(db, hotel, room_type, fields)
        return [_change(name, value, fields[name], hotel.currency) for name, value in former.items()]


def _change(name: str, before: Any, after: Any, currency: str) -> str:
    if name == "price_per_night_minor":
        return f"price_per_night {Money(before, currency)} → {Money(after, currency)} {currency}"
    return f"{name} {before} → {after}"


@app.command("list")
def list_(context: typer.Context, hotel: HotelSlug) -> None:
    """List a hotel's room types."""
    tools = tools_of(context)

    async def work() -> tuple[Hotel, list[RoomType]]:
        async with tools.database() as database, database.reading() as db:
            found = await catalogue.hotel_by_slug(db, hotel)
            if found is None or found.id is None:
                fail(f"There is no hotel {hotel}. `hotel list` lists them.")
            return found, list(await catalogue.room_types(db, found.id))

    found, room_types = tools.run(work())
    if room_types:
        console().print(room_type_table(found, room_types))
    else:
        say(f"{hotel} has no room types. `room-type add` adds one.")


async def _lock_hotel(db: AsyncSession, slug: str) -> tuple[Hotel, int]:
    """Keep the hotel's currency as it is while a price in it is written."""
    hotel = await catalogue.hotel_by_slug(db, slug, lock=True)
    if hotel is None or hotel.id is None:
        fail(f"There is no hotel {slug}. `hotel add {slug}` adds it.")
    return hotel, hotel.id
