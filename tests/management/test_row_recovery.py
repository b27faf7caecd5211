"""Rows of a restored database that lack changes of their workflows, and whose rooms others may have bought since."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select
from sqlmodel import col

from domain.booking import CLAIMS_ROOM, Status
from models import BookingTimeline, RoomType
from storage.room_blocks import BlockedStretch, block_rooms, unblock_rooms
from storage.rooms import free_rooms
from storage.tables import MoneyMovement, RoomBlock, RoomClaim
from tests.management.booking_driver import ManagementBookingDriver
from tests.management.harness import ManagementHarness, eventually


async def _restore(booking: ManagementBookingDriver, version: int, **facts: Any) -> None:
    """Set the row back to one of its versions, as a restored dump has it; `facts` are further fields of that time."""
    steps = [step for step in await _timeline(booking) if step.version <= version]
    status = Status(steps[-1].to_status)
    await booking.set(version=version, status=status, **facts)
    mine = col(BookingTimeline.booking_id) == booking.booking_id
    async with booking.harness.database.transaction() as db:
        await db.execute(delete(BookingTimeline).where(mine, col(BookingTimeline.version) > version))
        moved = col(MoneyMovement.booking_id) == booking.booking_id
        await db.execute(delete(MoneyMovement).where(moved, col(MoneyMovement.at) > steps[-1].at))
        if status not in CLAIMS_ROOM:
            await free_rooms(db, await booking.row())


async def _restore_before_hold(booking: ManagementBookingDriver) -> None:
    await _restore(booking, 2, payment_intent_id=None, amount_captured_minor=0, decision_made_at=None)


async def _timeline(booking: ManagementBookingDriver) -> list[BookingTimeline]:
    query = select(BookingTimeline).where(col(BookingTimeline.booking_id) == booking.booking_id)
    async with booking.harness.database.transaction() as db:
        return list(await db.scalars(query.order_by(col(BookingTimeline.version))))


async def _sell_all(booking: ManagementBookingDriver) -> None:
    """The hotel sells every room of the booking's nights elsewhere."""
    row = await booking.row()
    async with booking.harness.database.transaction() as db:
        room_type = await db.get_one(RoomType, row.room_type_id)
        await block_rooms(db, room_type, BlockedStretch(row.check_in, row.check_out), room_type.rooms, None)


async def _free_all(booking: ManagementBookingDriver) -> None:
    """It has them back."""
    row = await booking.row()
    async with booking.harness.database.transaction() as db:
        room_type = await db.get_one(RoomType, row.room_type_id)
        blocks = select(RoomBlock).where(col(RoomBlock.room_type_id) == row.room_type_id)
        await unblock_rooms(db, room_type, (await db.scalars(blocks)).one())


async def _claims(booking: ManagementBookingDriver) -> int:
    query = select(func.count()).where(col(RoomClaim.booking_id) == booking.booking_id)
    async with booking.harness.database.transaction() as db:
        return await db.scalar(query) or 0


async def _findings(booking: ManagementBookingDriver, *options: str) -> dict[str, str]:
    """What a run finds about the booking: the outcome and the detail of each, by kind."""
    _, said = await booking.harness.reconcile(*options)
    mine = [found for found in said["findings"] if found["booking_id"] == booking.booking_id]
    return {found["kind"]: f"{found['outcome']}: {found['detail']}" for found in mine}


async def test_hold_whose_room_was_sold_since_waits_for_one(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.held()
    await _restore_before_hold(booking)
    await _sell_all(booking)
    found = (await _findings(booking))["status_differs"]
    assert found.startswith("left")
    assert "its room has been sold since" in found
    row = await booking.row()
    assert (row.status, row.version, await _claims(booking)) == (Status.PENDING_PAYMENT, 2, 0)

    await _free_all(booking)
    assert (await _findings(booking))["status_differs"].startswith("healed")
    assert (await booking.status(), await _claims(booking)) == (Status.PENDING_APPROVAL, 2)
    assert await _findings(booking) == {}


async def test_paid_booking_whose_room_was_sold_since_is_recorded_beyond_the_limit(
    shared_harness: ManagementHarness,
) -> None:
    booking = await shared_harness.confirmed()
    await _restore_before_hold(booking)
    await _sell_all(booking)
    assert (await _findings(booking))["status_differs"].startswith("healed")
    row = await booking.row()
    assert (row.status, row.amount_captured_minor) == (Status.CONFIRMED, row.amount_minor)
    assert await _claims(booking) == 2
    assert list(await _findings(booking)) == ["overbooked"]


async def test_booking_that_has_ended_needs_no_room(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.declined()
    before = [step.event for step in await _timeline(booking)]
    await _restore_before_hold(booking)
    await _sell_all(booking)
    assert (await _findings(booking))["workflow_missing"].startswith("healed")
    assert (await booking.status(), await _claims(booking)) == (Status.DECLINED, 0)
    assert [step.event for step in await _timeline(booking)] == before
    assert await _findings(booking) == {}


async def test_row_that_lacks_changes_of_one_status_is_rewritten_after_a_restore(
    shared_harness: ManagementHarness,
) -> None:
    booking = await shared_harness.confirmed()
    await booking.dashboard("refund", {"amount": 5000})
    # Reconciliation tells the workflow of the refund.
    assert list(await _findings(booking)) == ["refund_not_recorded"]

    async def refunded() -> bool:
        return (await booking.row()).amount_refunded_minor == 5000

    await eventually("the refund", refunded)
    version = (await booking.row()).version
    await _restore(booking, version - 1, amount_refunded_minor=0)
    assert "status_differs" not in await _findings(booking, "--dry-run")
    assert (await _findings(booking, "--after-restore"))["status_differs"].startswith("healed")
    row = await booking.row()
    assert (row.version, row.amount_refunded_minor) == (version, 5000)
    assert await _findings(booking, "--after-restore") == {}
