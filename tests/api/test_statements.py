"""The statements that each request of an approved booking costs: one added by accident is seen here."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event, func, select
from sqlmodel import col

from domain.roles import Role
from domain.stripe_events import AUTHORIZING, SETTLING
from models import Booking, StripeWebhookEvent
from sandbox.drivers import GuestDriver, wait_until
from tests.api.hotels import HotelDriver

_REQUEST = "RequestResponseCycle.run_asgi"
"""The coroutine in which uvicorn answers a request."""


class Statements:
    """The statements of each request that the API answers; a statement that is repeated at once counts once."""

    def __init__(self) -> None:
        self._by_task: dict[asyncio.Task[object], list[str]] = defaultdict(list)

    def take(self) -> list[int]:
        """The number of statements of each request since the last call, fewest first."""
        taken, self._by_task = self._by_task, defaultdict(list)
        return sorted(sum(1 for _ in itertools.groupby(statements)) for statements in taken.values())

    def listen(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        """SQLAlchemy's event `before_cursor_execute`."""
        task = asyncio.current_task()
        if task is not None and getattr(task.get_coro(), "__qualname__", "") == _REQUEST:
            self._by_task[task].append(statement)


@contextmanager
def counted() -> Iterator[Statements]:
    """Count statements until the block ends."""
    statements = Statements()
    event.listen(Engine, "before_cursor_execute", statements.listen)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", statements.listen)


async def _processed(hotel: HotelDriver, guest: GuestDriver, types: frozenset[str]) -> None:
    """Wait until the booking's two events of these types are processed, without a request to the API."""
    own = select(col(Booking.payment_intent_id)).where(col(Booking.booking_id) == guest.booking_id)
    query = select(func.count(col(StripeWebhookEvent.event_id))).where(
        col(StripeWebhookEvent.payment_intent_id) == own.scalar_subquery(),
        col(StripeWebhookEvent.event_type).in_(types),
        col(StripeWebhookEvent.processed_at).is_not(None),
    )

    async def count() -> int:
        async with hotel.stack.database.reading() as db:
            return await db.scalar(query) or 0

    await wait_until(count, lambda processed: processed == 2)


async def test_an_approved_booking(hotel: HotelDriver) -> None:
    approver = await hotel.staff(Role.APPROVER)
    with counted() as statements:
        created = await hotel.ask_for(hotel.wish(), key="a-key")
        guest = GuestDriver(hotel.stack.client, created.json())
        assert statements.take() == [4]
        await guest.open_page()
        assert statements.take() == [3]
        await guest.pay()
        await _processed(hotel, guest, AUTHORIZING)
        # Only the event that wakes the workflow is marked by a statement of its own.
        *others, waking = statements.take()
        assert (set(others), waking) == ({1}, 2)
        assert (await approver.approve(guest.booking_id)).status_code == 200
        await _processed(hotel, guest, SETTLING)
        *echoes, approval = statements.take()
        assert (set(echoes), approval) == ({1}, 4)
