"""Exactly the contract's events arrive on the channels, through any fault of Pusher."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.realtime import Realtime
from domain.booking import Status
from domain.messages.notifications import Publication, StaffEvent
from tests.activities.pusher_client import BATCH, arrived, client
from tests.storage.rows import HotelRows, draft
from tests.workflows.servers import StandInClients

AT = datetime(2026, 11, 25, 10, 41, 27, 123456, tzinfo=UTC)


def publication(hotel_rows: HotelRows, **values: Any) -> Publication:
    booking = draft(hotel_rows)
    return Publication(
        **{
            "booking_id": booking.booking_id,
            "hotel_slug": hotel_rows.hotel.slug,
            "status": Status.PENDING_APPROVAL,
            "version": 3,
            "updated_at": AT,
            **values,
        }
    )


# --- what is sent ---


@pytest.mark.parametrize("staff_event", [None, *StaffEvent])
@pytest.mark.parametrize("status", Status)
async def test_events(
    served: StandInClients,
    env: ActivityEnvironment,
    realtime: Realtime,
    hotel_rows: HotelRows,
    status: Status,
    staff_event: StaffEvent | None,
) -> None:
    """`booking-updated` to the hotel and the booking; to staff their own event, where there is one."""
    notice = publication(hotel_rows, status=status, staff_event=staff_event)
    await env.run(realtime.publish, notice)
    data = {
        "booking_id": notice.booking_id,
        "status": str(status),
        "updated_at": "2026-11-25T10:41:27.123456Z",
        "version": 3,
    }
    expected = [
        (f"hotel-{hotel_rows.hotel.slug}", "booking-updated"),
        (f"private-booking-{notice.booking_id}", "booking-updated"),
    ]
    if staff_event is not None:
        expected.append((f"private-staff-{hotel_rows.hotel.slug}", str(staff_event)))
    messages = await arrived(served, notice.booking_id)
    assert [(message["channel"], message["name"]) for message in messages] == expected
    # Nothing else: the hotel's channel is public.
    assert all(message["data"] == data for message in messages)


async def test_a_repeat_says_the_same(
    served: StandInClients, env: ActivityEnvironment, realtime: Realtime, hotel_rows: HotelRows
) -> None:
    """Clients drop what is not newer than what they know: the version tells."""
    notice = publication(hotel_rows)
    for _ in range(2):
        await env.run(realtime.publish, notice)
    first, second, *again = await arrived(served, notice.booking_id)
    assert [message["data"] for message in again] == [first["data"], second["data"]]


# --- what goes wrong ---


@pytest.mark.parametrize("wrong", [{"secret": "guess"}, {"key": "another-key"}])
async def test_refused_credentials_are_tried_again(
    served: StandInClients, env: ActivityEnvironment, hotel_rows: HotelRows, wrong: dict[str, str]
) -> None:
    """A key may be being replaced; the error does not say it."""
    notice = publication(hotel_rows)
    with pytest.raises(ApplicationError, match="PusherBadAuth") as failure:
        await env.run(Realtime(client(served, **wrong)).publish, notice)
    assert (failure.value.type, failure.value.non_retryable) == ("pusher_failed", False)
    assert await arrived(served, notice.booking_id) == []


@pytest.mark.parametrize(
    ("status", "final"), [(400, True), (401, False), (403, False), (413, False), (500, False), (503, False)]
)
async def test_answers(
    served: StandInClients,
    env: ActivityEnvironment,
    realtime: Realtime,
    hotel_rows: HotelRows,
    status: int,
    final: bool,
) -> None:
    """A refusal of the request is final; an outage is retried, and the retry arrives."""
    notice = publication(hotel_rows)
    await served.pusher.order(BATCH, "error_before", status=status)
    with pytest.raises(Exception, match=r".") as failure:
        await env.run(realtime.publish, notice)
    error = failure.value
    assert (isinstance(error, ApplicationError) and error.non_retryable) is final
    await env.run(realtime.publish, notice)
    assert len(await arrived(served, notice.booking_id)) == 2


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "hang"])
async def test_outages(
    served: StandInClients, env: ActivityEnvironment, hotel_rows: HotelRows, kind: str
) -> None:
    """A cut or silent connection is worth a retry."""
    notice = publication(hotel_rows)
    realtime = Realtime(client(served, timeout=3))
    await served.pusher.order(BATCH, kind)
    with pytest.raises(ApplicationError) as failure:
        await env.run(realtime.publish, notice)
    assert (failure.value.type, failure.value.non_retryable) == ("pusher_failed", False)
    await env.run(realtime.publish, notice)
    assert len(await arrived(served, notice.booking_id)) == (4 if kind == "drop_after" else 2)


async def test_nobody_listens(
    served: StandInClients, env: ActivityEnvironment, hotel_rows: HotelRows
) -> None:
    """Pusher is away altogether."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(ApplicationError, match="pusher_failed: ConnectionError"):
        await env.run(Realtime(client(served, port=port)).publish, publication(hotel_rows))


async def test_a_slow_pusher_holds_up_nothing_else(
    served: StandInClients, env: ActivityEnvironment, hotel_rows: HotelRows
) -> None:
    """The library blocks, in a thread of its own: the worker's loop goes on meanwhile."""
    notice = publication(hotel_rows)
    await served.pusher.order(BATCH, "delay", delay_s=0.5)
    publishing = asyncio.create_task(env.run(Realtime(client(served)).publish, notice))
    longest = 0.0
    while not publishing.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)
    await publishing
    assert longest < 0.5
