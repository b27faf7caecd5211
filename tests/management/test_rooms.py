"""Rooms that are taken out of service, and how many there are: never fewer than bookings have."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.booking import Status
from storage.rooms import rooms_free
from tests.management.booking_driver import ManagementBookingDriver
from tests.management.harness import ManagementHarness

DAY = timedelta(days=1)


@pytest.fixture
async def booking(shared_harness: ManagementHarness) -> ManagementBookingDriver:
    """A booking with one of its hotel's three rooms for two nights."""
    shared_harness_booking = await shared_harness.held()
    assert await shared_harness_booking.status() is Status.PENDING_APPROVAL
    return shared_harness_booking


async def command(
    booking: ManagementBookingDriver, name: str, *more: str, nights: int = 2
) -> tuple[int, str]:
    """`room-type block` or `unblock` for the booking's nights: exit status, and what it says."""
    row = await booking.row()
    end = row.check_in + nights * DAY
    which = ("--hotel", booking.hotel.slug, "--code", "double", "--from", f"{row.check_in}", "--to", f"{end}")
    result = await booking.harness.run("room-type", name, *which, *more)
    return result.exit_code, result.stdout + result.stderr


async def free(booking: ManagementBookingDriver) -> int:
    row = await booking.row()
    async with booking.harness.database.transaction() as db:
        found = await rooms_free(db, booking.hotel, row.check_in, row.check_out)
    return found[row.room_type_id]


async def test_block_takes_rooms_and_a_repeat_changes_nothing(booking: ManagementBookingDriver) -> None:
    note = ("--note", "Painting")
    assert await free(booking) == 2
    status, said = await command(booking, "block", "--rooms", "2", *note)
    assert (status, said) == (
        0,
        f"2 rooms of {booking.hotel.slug}/double blocked: 2 nights from {(await booking.row()).check_in}.\n",
    )
    assert await free(booking) == 0
    assert (await command(booking, "block", "--rooms", "2", *note))[1].endswith("nothing changed.\n")
    status, said = await command(booking, "block", "--rooms", "1")
    assert status == 1
    assert "2 rooms, 2 nights" in said
    assert "(Painting)" in said
    assert await free(booking) == 0


async def test_unblock_gives_them_back_once(booking: ManagementBookingDriver) -> None:
    await command(booking, "block", "--rooms", "2")
    status, said = await command(booking, "unblock", nights=1)
    assert status == 1
    assert "No block has exactly these nights. There are: 2 rooms" in said
    assert (await command(booking, "unblock", "--rooms", "1"))[0] == 1
    status, said = await command(booking, "unblock", "--rooms", "2")
    assert (status, await free(booking)) == (0, 2)
    assert (await command(booking, "unblock"))[1] == "Nothing is blocked there; nothing changed.\n"
    assert await free(booking) == 2


async def test_block_that_would_take_a_bookings_room_is_refused(booking: ManagementBookingDriver) -> None:
    status, said = await command(booking, "block", "--rooms", "3")
    assert status == 1
    assert "3 rooms of double cannot be blocked" in said
    assert booking.booking_id in said
    assert await free(booking) == 2


@pytest.mark.parametrize("nights", [0, 367])
async def test_block_of_no_night_or_too_many_is_refused(
    booking: ManagementBookingDriver, nights: int
) -> None:
    assert (await command(booking, "block", "--rooms", "1", nights=nights))[0] == 2


async def test_room_type_cannot_have_fewer_rooms_than_bookings(booking: ManagementBookingDriver) -> None:
    which = ("--hotel", booking.hotel.slug, "--code", "double")
    await command(booking, "block", "--rooms", "1")
    result = await booking.harness.run("room-type", "set", *which, "--rooms", "1")
    assert result.exit_code == 1
    assert booking.booking_id in result.stderr
    assert await free(booking) == 1
    said = await booking.harness.done("room-type", "set", *which, "--rooms", "2", "--price-per-night", "80")
    assert "rooms 3 → 2" in said
    assert "price_per_night 75.00 → 80.00 EUR" in said
    assert await free(booking) == 0
    assert "nothing changed" in await booking.harness.done("room-type", "set", *which, "--rooms", "2")


async def test_allowance_cannot_end_below_what_was_sold(booking: ManagementBookingDriver) -> None:
    slug = booking.hotel.slug
    said = await booking.harness.done("hotel", "set", slug, "--overbooking", "1")
    assert said == f"Hotel {slug}: overbooking 0 → 1.\n"
    assert (await command(booking, "block", "--rooms", "3"))[0] == 0
    result = await booking.harness.run("hotel", "set", slug, "--overbooking", "0")
    assert result.exit_code == 1
    assert booking.booking_id in result.stderr
    assert f"{slug} cannot have an allowance of 0 for double" in result.stderr


async def test_unknown_room_type_is_named(booking: ManagementBookingDriver) -> None:
    which = ("--hotel", booking.hotel.slug, "--code", "castle")
    result = await booking.harness.run("room-type", "set", *which, "--rooms", "1")
    assert result.exit_code == 1
    assert f"{booking.hotel.slug} has no room type castle." in result.stderr
