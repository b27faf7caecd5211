"""Claims and counts that someone wrote by hand: `reconcile` names them, and gives each booking its rooms."""

from __future__ import annotations

import pytest

from domain.booking import CLAIMS_ROOM
from reconciliation.findings import RoomsSnapshot
from reconciliation.room_queries import rooms_of
from storage.rooms import recount_claims
from tests.management.booking_driver import ManagementBookingDriver
from tests.management.harness import ManagementHarness
from tests.management.inconsistencies import (
    Inconsistency,
    claim_of_another_type,
    claim_outside_stay,
    claims_after_end,
    nights_counted_too_low,
)

Found = set[tuple[str, str, str, str]]


async def _findings(harness: ManagementHarness, *options: str) -> Found:
    """Kind, booking, subject and outcome of each finding."""
    _, said = await harness.reconcile(*options)
    return {
        (found["kind"], found["booking_id"] or "", found["subject"] or "", found["outcome"])
        for found in said["findings"]
    }


async def _miscounted(booking: ManagementBookingDriver) -> list[str]:
    async with booking.harness.database.transaction() as db:
        return await recount_claims(db, dry_run=True)


async def _rooms(booking: ManagementBookingDriver) -> RoomsSnapshot:
    row = await booking.row()
    async with booking.harness.database.transaction() as db:
        return (await rooms_of(db, [row]))[row.booking_id]


@pytest.mark.parametrize("make", [claims_after_end, claim_outside_stay, claim_of_another_type])
async def test_rooms_that_a_booking_should_not_have_are_freed(
    harness: ManagementHarness, make: Inconsistency
) -> None:
    booking = await make(harness)
    assert await _miscounted(booking) == []
    mine = ("claims_differ", booking.booking_id, "")
    assert await _findings(harness, "--dry-run") == {(*mine, "planned")}
    assert await _findings(harness) == {(*mine, "healed")}
    nights = 2 if (await booking.row()).status in CLAIMS_ROOM else 0
    assert await _rooms(booking) == RoomsSnapshot(nights, nights)
    assert await _miscounted(booking) == []
    assert await _findings(harness) == set()


async def test_night_that_counts_too_few_is_counted_anew_and_its_bookings_are_named(
    harness: ManagementHarness,
) -> None:
    """A dry run names the nights, and changes nothing. Then they are beyond the limit, by no booking's claim."""
    booking = await nights_counted_too_low(harness)
    nights = await _miscounted(booking)
    assert len(nights) == 2
    assert await _findings(harness, "--dry-run") == {
        ("claims_differ", "", night, "planned") for night in nights
    }
    assert await _miscounted(booking) == nights
    overbooked = ("overbooked", booking.booking_id, "", "left")
    assert await _findings(harness) == {
        overbooked,
        *(("claims_differ", "", night, "healed") for night in nights),
    }
    assert await _miscounted(booking) == []
    assert await _findings(harness) == {overbooked}
