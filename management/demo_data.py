"""`demo-data`: two demo hotels."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import Final

import typer
from argon2 import PasswordHasher
from sqlalchemy.ext.asyncio import AsyncSession

from domain.roles import Role
from management import checks
from management.tools import Tools, say, tools_of
from models import Hotel, RoomType, Staff
from storage import catalogue

PASSWORD_VARIABLE: Final = "DEMO_PASSWORD"  # noqa: S105  a variable's name


@dataclass(frozen=True)
class _DemoHotel:
    slug: str
    name: str
    currency: str
    timezone: str
    double_minor: int
    suite_minor: int
    phone: str
    address: str


_HOTELS: Final = (
    _DemoHotel(
        "hotel-killarney",
        "Hotel Killarney",
        "EUR",
        "Europe/Dublin",
        150_00,
        320_00,
        "+353 64 555 0100",
        "1 Lake Road\nKillarney",
    ),
    _DemoHotel(
        "kyoto-inn",
        "Kyoto Inn",
        "JPY",
        "Asia/Tokyo",
        18_000,
        42_000,
        "+81 75 555 0100",
        "1 Willow Street\nKyoto",
    ),
)


def demo_data(context: typer.Context) -> None:
    """Add hotel-killarney and kyoto-inn with rooms and staff; existing rows stay as they are.

    DEMO_PASSWORD is set as the password of all demo staff. Without it, new staff get a generated password.
    """
    tools = tools_of(context)
    given = os.environ.get(PASSWORD_VARIABLE)
    password = checks.password(given) if given else secrets.token_urlsafe(12)
    added, set_anew = tools.run(_fill(tools, PasswordHasher().hash(password), replace=bool(given)))
    say(f"Added: {', '.join(added)}." if added else "The demo's hotels, rooms and staff exist already.")
    for hotel in _HOTELS:
        say(f"{hotel.slug}: staff {', '.join(_addresses(hotel.slug).values())}")
    if given:
        say(f"Their password is the value of {PASSWORD_VARIABLE}.")
    elif set_anew:
        say(f"Password of {', '.join(set_anew)}: {password}")
    else:
        say(f"Their password is as it was; with {PASSWORD_VARIABLE} set, this command changes it.")


async def _fill(tools: Tools, password_hash: str, *, replace: bool) -> tuple[list[str], list[str]]:
    """Add missing hotels, rooms and staff.

    Returns:
        The names of the rows added, and the addresses whose password was set.
    """
    added: list[str] = []
    set_anew: list[str] = []
    async with tools.database() as database, database.transaction() as db:
        for demo in _HOTELS:
            hotel_id, found = await _ensure_hotel(db, demo)
            people, passwords = await _ensure_staff(db, demo.slug, hotel_id, password_hash, replace=replace)
            added += found + people
            set_anew += passwords
    return added, set_anew


async def _ensure_hotel(db: AsyncSession, demo: _DemoHotel) -> tuple[int, list[str]]:
    hotel = Hotel(
        slug=demo.slug,
        name=demo.name,
        currency=demo.currency,
        timezone=demo.timezone,
        contact_email=f"reception@{demo.slug}.test",
        contact_phone=demo.phone,
        address=demo.address,
    )
    added = [demo.slug] if await catalogue.add_unless_there(db, hotel) else []
    kept = await catalogue.hotel_by_slug(db, demo.slug)
    assert kept is not None
    assert kept.id is not None
    double = RoomType(
        hotel_id=kept.id, code="double", name="Double room", price_per_night_minor=demo.double_minor,
        max_guests=2, rooms=10,
    )  # fmt: skip
    suite = RoomType(
        hotel_id=kept.id, code="suite", name="Suite", price_per_night_minor=demo.suite_minor,
        max_guests=4, rooms=3,
    )  # fmt: skip
    rooms = [room for room in (double, suite) if await catalogue.add_unless_there(db, room)]
    return kept.id, added + [f"{demo.slug}/{room.code}" for room in rooms]


async def _ensure_staff(
    db: AsyncSession, slug: str, hotel_id: int, password_hash: str, *, replace: bool
) -> tuple[list[str], list[str]]:
    added: list[str] = []
    for role, email in _addresses(slug).items():
        row = Staff(hotel_id=hotel_id, email=email, role=role, password_hash=password_hash)
        if await catalogue.add_unless_there(db, row):
            added.append(email)
        elif replace:
            await catalogue.set_password(db, email, password_hash)
    return added, list(_addresses(slug).values()) if replace else added


def _addresses(slug: str) -> dict[Role, str]:
    return {role: f"{role}@{slug}.test" for role in Role}
