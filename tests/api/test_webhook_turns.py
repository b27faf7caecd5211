"""Which events wait for which: those about one hold are kept in turn, all others at once."""

from __future__ import annotations

import asyncio

import httpx
from sqlalchemy import text

from api.app import create_app
from sandbox.drivers import wait_until
from storage.bookings import booking_by_id
from tests.api.events import event, post_event
from tests.api.hotels import HotelDriver
from tests.api.stack import PATIENCE_S
from tests.workflows.servers import Json

_AT_ONCE_S = 2
"""Less than the API's patience with PostgreSQL: none that waits has given up yet."""

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND query LIKE 'WITH addressee AS %'"
)


async def count_waiting(hotel: HotelDriver) -> int:
    """The number of events that are about to be kept, and wait for a lock."""
    async with hotel.stack.database.reading() as db:
        return int(await db.scalar(_WAITING) or 0)


def about(booking_id: str, kind: str, thing: str) -> Json:
    """An event about the booking's payment."""
    ids = {"id": "pi_made_up"} if thing == "payment_intent" else {"payment_intent": "pi_made_up"}
    return event(kind, {"object": thing, "metadata": {"booking_id": booking_id}, **ids})


async def test_refunds_of_one_payment_wait_for_its_booking_together(hotel: HotelDriver) -> None:
    """Each waits for the row alone: one after the other, the last would be answered after Stripe has given up."""
    guest = await hotel.submitted()
    async with hotel.stack.database.transaction() as db:
        await booking_by_id(db, guest.booking_id, lock=True)
        refunds = [about(guest.booking_id, "charge.refunded", "charge") for _ in range(3)]
        posts = [asyncio.create_task(post_event(hotel.stack.http, hotel.stack.api, each)) for each in refunds]
        await wait_until(
            lambda: count_waiting(hotel), lambda found: found == 3, timeout_s=_AT_ONCE_S, what="all refunds"
        )
    assert [answer.status_code for answer in await asyncio.gather(*posts)] == [200] * 3


async def test_a_turn_is_free_once_its_request_is_cancelled(hotel: HotelDriver) -> None:
    """The next event about the same hold is kept."""
    guest = await hotel.submitted()
    kinds = {
        "payment_intent.amount_capturable_updated": "payment_intent",
        "checkout.session.completed": "checkout.session",
    }
    first, second = (about(guest.booking_id, kind, thing) for kind, thing in kinds.items())
    app = create_app(hotel.stack.settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http,
        asyncio.timeout(PATIENCE_S),
    ):
        async with hotel.stack.database.transaction() as db:
            await booking_by_id(db, guest.booking_id, lock=True)
            cancelled = asyncio.create_task(post_event(http, "http://api.test", first))
            await wait_until(lambda: count_waiting(hotel), lambda found: found == 1, what="the first event")
            waiting = asyncio.create_task(post_event(http, "http://api.test", second))
            await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.wait([cancelled])
        assert (await waiting).status_code == 200
    assert cancelled.cancelled()
