"""Changes to a booking: written, and published as they are written; and the database's other activities."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.bookings import Bookings
from activities.realtime import Realtime
from domain.booking import ActorKind, Event, Status
from domain.decisions import CommandOutcome
from domain.messages.changes import BookingSnapshot, Change, ChangeResult, RefusedCommand
from models import Booking, BookingCommand
from storage.database import Database
from tests.activities.pusher_client import BATCH, arrived, client
from tests.storage.rows import HotelRows, ask, book, change_of, held, row_of, steps_of
from tests.workflows.servers import StandInClients

# --- written and published ---


async def record(
    env: ActivityEnvironment, database: Database, realtime: Realtime, change: Change
) -> ChangeResult:
    recorded: ChangeResult = await env.run(Bookings(database, realtime).record, change)
    return recorded


def submission(hotel_rows: HotelRows, booking: Booking, **change: Any) -> Change:
    return change_of(
        booking, Event.SUBMITTED, hotel_slug=hotel_rows.hotel.slug, actor=ActorKind.GUEST, **change
    )


async def test_a_change_is_published_as_it_is_written(
    served: StandInClients,
    env: ActivityEnvironment,
    database: Database,
    realtime: Realtime,
    hotel_rows: HotelRows,
) -> None:
    """Status, version and time are those of the row."""
    booking = await book(database, hotel_rows)
    change = submission(hotel_rows, booking)
    assert await record(env, database, realtime, change) == ChangeResult(
        2, Status.PENDING_PAYMENT, published=True
    )
    messages = await arrived(served, booking.booking_id)
    row = await row_of(database, booking.booking_id)
    assert {message["channel"] for message in messages} == {
        f"hotel-{hotel_rows.hotel.slug}",
        f"private-booking-{booking.booking_id}",
    }
    for message in messages:
        assert message["data"]["status"] == row.status
        assert message["data"]["version"] == row.version
        assert datetime.fromisoformat(message["data"]["updated_at"]) == row.updated_at


async def test_a_repeat_publishes_what_was_written(
    served: StandInClients,
    env: ActivityEnvironment,
    database: Database,
    realtime: Realtime,
    hotel_rows: HotelRows,
) -> None:
    """Though the row has moved on since: the version published is the change's own."""
    booking = await book(database, hotel_rows)
    change = submission(hotel_rows, booking)
    await record(env, database, realtime, change)
    await record(
        env,
        database,
        realtime,
        change_of(await row_of(database, booking.booking_id), Event.PAYMENT_WINDOW_CLOSED, hotel_slug="x"),
    )
    await record(env, database, realtime, change)
    versions = [message["data"]["version"] for message in await arrived(served, booking.booking_id)]
    assert versions == [2, 2, 3, 3, 2, 2]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error_before", "status": 401},
        {"kind": "error_before", "status": 500},
        {"kind": "drop_before"},
    ],
)
async def test_what_cannot_be_published_is_written_all_the_same(
    served: StandInClients,
    env: ActivityEnvironment,
    database: Database,
    realtime: Realtime,
    hotel_rows: HotelRows,
    fault: dict[str, Any],
) -> None:
    """A realtime failure never undoes a change; the answer says that it must be tried again."""
    booking = await book(database, hotel_rows)
    await served.pusher.order(BATCH, **fault)
    recorded = await record(env, database, realtime, submission(hotel_rows, booking))
    assert recorded == ChangeResult(2, Status.PENDING_PAYMENT, published=False)
    assert (await row_of(database, booking.booking_id)).status == "PENDING_PAYMENT"
    assert await arrived(served, booking.booking_id) == []


async def test_a_silent_pusher_delays_a_change_by_a_second(
    served: StandInClients, env: ActivityEnvironment, database: Database, hotel_rows: HotelRows
) -> None:
    """A caller waits for this: one quick attempt is made."""
    booking = await book(database, hotel_rows)
    await served.pusher.order(BATCH, "hang")
    patience_s = 5
    realtime = Realtime(client(served, timeout=patience_s))
    began = time.monotonic()
    recorded = await record(env, database, realtime, submission(hotel_rows, booking))
    assert recorded == ChangeResult(2, Status.PENDING_PAYMENT, published=False)
    assert time.monotonic() - began < patience_s, "the client's own patience was waited for"


async def test_nothing_is_published_that_was_not_written(
    served: StandInClients,
    env: ActivityEnvironment,
    database: Database,
    realtime: Realtime,
    hotel_rows: HotelRows,
) -> None:
    """Neither for a row that is gone, nor for one that has moved; each by its own name."""
    booking = await book(database, hotel_rows)
    stale = submission(hotel_rows, booking, expected_version=7)
    with pytest.raises(ApplicationError, match="the row is at 1") as moved:
        await record(env, database, realtime, stale)
    assert (moved.value.type, moved.value.non_retryable) == ("stale_version", False)
    with pytest.raises(ApplicationError, match="row is gone") as gone:
        await record(
            env, database, realtime, Change(booking_id="BK-NOBODY", hotel_slug=hotel_rows.hotel.slug)
        )
    assert (gone.value.type, gone.value.non_retryable) == ("booking_gone", True)
    assert await arrived(served, booking.booking_id) == []
    assert await arrived(served, "BK-NOBODY") == []


async def test_a_row_that_cannot_be_is_not_quoted(
    env: ActivityEnvironment, database: Database, realtime: Realtime, hotel_rows: HotelRows
) -> None:
    """M9: PostgreSQL tells the whole failing row, the guest's address with it; the error does not."""
    booking = await held(database, hotel_rows)
    change = change_of(booking, Event.APPROVED, amount_captured_minor=15001)
    with pytest.raises(ApplicationError, match="IntegrityError") as failure:
        await record(env, database, realtime, change)
    error: BaseException | None = failure.value
    while error is not None:
        assert "philippa" not in str(error).lower()
        error = error.__cause__
    assert failure.value.type == "database"
    assert len(await steps_of(database, booking.booking_id)) == 1


# --- what else is read and closed ---


async def test_what_an_unmatched_payment_is_compared_with(
    env: ActivityEnvironment, database: Database, realtime: Realtime, hotel_rows: HotelRows
) -> None:
    """The row's money, as far as its workflow has ended."""
    booking = await held(
        database,
        hotel_rows,
        status=Status.CANCELLED,
        version=6,
        amount_captured_minor=15000,
        amount_refunded_minor=7500,
    )
    bookings = Bookings(database, realtime)
    found = await env.run(bookings.read_snapshot, booking.booking_id)
    assert found == BookingSnapshot(
        status=Status.CANCELLED,
        version=6,
        payment_intent_id=booking.payment_intent_id,
        amount_minor=15000,
        amount_refunded_minor=7500,
        currency="EUR",
    )
    with pytest.raises(ApplicationError, match="row is gone") as gone:
        await env.run(bookings.read_snapshot, "BK-NOBODY")
    assert (gone.value.type, gone.value.non_retryable) == ("booking_gone", True)


async def test_a_refused_command_is_closed(
    env: ActivityEnvironment, database: Database, realtime: Realtime, hotel_rows: HotelRows
) -> None:
    """With its outcome; one that was settled stays so."""
    booking = await held(database, hotel_rows)
    command = await ask(database, booking.booking_id, "approve")
    bookings = Bookings(database, realtime)
    for outcome in (CommandOutcome.ALREADY_DECIDED, CommandOutcome.TOO_LATE):
        await env.run(bookings.close_command, RefusedCommand(command.command_id, outcome))
    async with database.transaction() as db:
        row = await db.get_one(BookingCommand, command.command_id)
    assert row.outcome == "already_decided"
    assert row.closed_at is not None
    await env.run(bookings.close_command, RefusedCommand("cmd_never_kept"))


async def test_stale_drafts(
    env: ActivityEnvironment, database: Database, realtime: Realtime, hotel_rows: HotelRows
) -> None:
    """Older than a day and a little: one submitted in its last minute is left to its workflow."""
    now = datetime.now(UTC)
    ages_s = [24 * 3600 + 601, 24 * 3600 + 540, 60]
    made = [
        await book(database, hotel_rows, created_at=datetime.fromtimestamp(now.timestamp() - age, UTC))
        for age in ages_s
    ]
    assert await env.run(Bookings(database, realtime).delete_stale_drafts) >= 1
    async with database.transaction() as db:
        left = [await db.get(Booking, booking.id) is not None for booking in made]
    assert left == [False, True, True]
