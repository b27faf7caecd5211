"""Hotels, their room types and their staff, as operators set them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.deadlines import hotel_today
from models import Hotel, RoomType, Staff, utc_now
from storage.log_ins import change_credentials
from storage.room_blocks import set_capacity


async def hotel_by_slug(db: AsyncSession, slug: str, *, lock: bool = False) -> Hotel | None:
    """Find a hotel by its name in URLs.

    Args:
        lock: keep others from changing the hotel until the transaction ends.
    """
    query = select(Hotel).where(col(Hotel.slug) == slug)
    return (await db.scalars(query.with_for_update() if lock else query)).one_or_none()


async def room_types(db: AsyncSession, hotel_id: int) -> Sequence[RoomType]:
    """A hotel's room types, by their codes."""
    query = select(RoomType).where(col(RoomType.hotel_id) == hotel_id)
    return (await db.scalars(query.order_by(col(RoomType.code)))).all()


async def room_type_by_code(db: AsyncSession, hotel_id: int, code: str) -> RoomType | None:
    """A room type of that hotel."""
    query = select(RoomType).where(col(RoomType.hotel_id) == hotel_id, col(RoomType.code) == code)
    return (await db.scalars(query)).one_or_none()


async def change_room_type(
    db: AsyncSession, hotel: Hotel, room_type: RoomType, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Give a room type other values; its bookings keep what their guests were told.

    The caller has locked the hotel, so prices and counts cannot change meanwhile.

    Args:
        values: by column.

    Returns:
        The former value of each column that was changed.

    Raises:
        RoomsTakenError: bookings have more rooms than there would be.
    """
    former = {name: kept for name, value in values.items() if (kept := getattr(room_type, name)) != value}
    for name in former:
        setattr(room_type, name, values[name])
    await db.flush()
    if "rooms" in former:
        today = hotel_today(utc_now(), hotel.timezone)
        await set_capacity(db, room_type, room_type.rooms + hotel.overbooking, today)
    return former


async def change_overbooking(db: AsyncSession, hotel: Hotel, rooms: int) -> None:
    """Let a hotel sell so many rooms of each type beyond those it has.

    The caller has locked the hotel, as for `change_room_type`.

    Raises:
        RoomsTakenError: bookings have more rooms than there would be.
    """
    assert hotel.id is not None
    hotel.overbooking = rooms
    await db.flush()
    today = hotel_today(utc_now(), hotel.timezone)
    for room_type in await room_types(db, hotel.id):
        await set_capacity(db, room_type, room_type.rooms + rooms, today)


async def staff_with_hotel(db: AsyncSession, email: str) -> tuple[Staff, Hotel] | None:
    """Find a member of staff and their hotel by their e-mail address in lower case."""
    query = select(Staff, Hotel).join(Hotel, col(Hotel.id) == col(Staff.hotel_id))
    found = (await db.execute(query.where(col(Staff.email) == email))).one_or_none()
    return (found[0], found[1]) if found else None


async def add_unless_there(db: AsyncSession, row: Hotel | RoomType | Staff) -> bool:
    """Insert a row unless one with the same unique name exists.

    Returns:
        Whether the row was inserted. Of two concurrent operators only one gets True.
    """
    values = row.model_dump(exclude={"id"})
    written = await db.execute(insert(type(row)).values(**values).on_conflict_do_nothing())
    assert isinstance(written, CursorResult)
    return written.rowcount == 1


async def set_password(db: AsyncSession, email: str, password_hash: str) -> None:
    """Change a member of staff's password; log-ins with the old one end."""
    staff_id = (await db.scalars(select(col(Staff.id)).where(col(Staff.email) == email))).one_or_none()
    if staff_id is not None:
        await change_credentials(db, staff_id, password_hash=password_hash)


async def all_hotels(db: AsyncSession, *, limit: int) -> Sequence[Hotel]:
    """Hotels by their names."""
    return (await db.scalars(select(Hotel).order_by(col(Hotel.name)).limit(limit))).all()
