"""Stripe's side of a reconciliation: many payments and payment pages, read without being a burden.

Stripe takes 100 requests a second in live mode and 25 in test mode, from all of us together
(https://docs.stripe.com/rate-limits): a comparison leaves most of that to guests who are paying.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import stripe
from stripe.params import PaymentIntentListParams
from stripe.params.checkout import SessionListParams
from temporalio.exceptions import ApplicationError

from domain.payment import PaymentSnapshot
from gateway.errors import BUSY, UNKNOWN, translated_errors
from gateway.snapshots import WITH_CHARGE, booking_named_by, payment_snapshot

Answer = TypeVar("Answer")
Beat = Callable[[], None]

TOO_MUCH: Final = "too_much"

_PER_S: Final = 10
_AT_ONCE: Final = 4
_PAUSES_S: Final = (1, 2, 4, 8)
_PAGE: Final = 100
_PAGES_AT_MOST: Final = 500


@dataclass(frozen=True)
class OpenPage:
    """A Checkout session on which somebody could still pay."""

    session_id: str
    booking_id: str


class StripeReader:
    """Reads payments and pages, at most so many at once and so many a second.

    Raises (all methods):
        ApplicationError: typed as in `gateway.errors`.

    Args:
        beat: called after each request, to show that this is alive.
    """

    def __init__(self, client: stripe.StripeClient, beat: Beat) -> None:
        self._stripe = client.v1
        self._beat = beat
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._next_start = 0.0

    async def payment(self, payment_intent_id: str) -> PaymentSnapshot | None:
        """One payment; None where Stripe does not know it."""
        try:
            intent = await self._ask(
                lambda: self._stripe.payment_intents.retrieve_async(
                    payment_intent_id, {"expand": [WITH_CHARGE]}
                )
            )
        except ApplicationError as error:
            if error.type != UNKNOWN:
                raise
            return None
        return payment_snapshot(intent)

    async def recent_payments(self, since: datetime) -> list[PaymentSnapshot]:
        """Every payment made since then that says it is about a booking.

        Raises:
            ApplicationError: `too_much`, final: more than 50,000 of them.
        """
        found: list[PaymentSnapshot] = []
        params: PaymentIntentListParams = {
            "created": {"gte": int(since.timestamp())},
            "limit": _PAGE,
            "expand": [f"data.{WITH_CHARGE}"],
        }
        for _ in range(_PAGES_AT_MOST):
            page = await self._ask(lambda: self._stripe.payment_intents.list_async(params))
            found += [payment_snapshot(intent) for intent in page.data if booking_named_by(intent.metadata)]
            if not page.has_more:
                return found
            params["starting_after"] = page.data[-1].id
        raise _too_much("payments")

    async def open_pages(self) -> list[OpenPage]:
        """Every payment page that is open now and says it is about a booking.

        A page lives for a day at most, so this is what was opened since yesterday.
        """
        found: list[OpenPage] = []
        params: SessionListParams = {"status": "open", "limit": _PAGE}
        for _ in range(_PAGES_AT_MOST):
            page = await self._ask(lambda: self._stripe.checkout.sessions.list_async(params))
            named = ((session.id, booking_named_by(session.metadata)) for session in page.data)
            found += [OpenPage(id_, booking_id) for id_, booking_id in named if booking_id]
            if not page.has_more:
                return found
            params["starting_after"] = page.data[-1].id
        raise _too_much("open payment pages")

    async def is_open(self, session_id: str) -> bool:
        """Whether somebody could still pay on this page."""
        try:
            session = await self._ask(lambda: self._stripe.checkout.sessions.retrieve_async(session_id))
        except ApplicationError as error:
            if error.type != UNKNOWN:
                raise
            return False
        return session.status == "open"

    async def close_page(self, session_id: str, key: str) -> bool:
        """Close a payment page, and say whether it is closed; a guest may have been quicker.

        Args:
            key: the idempotency key.
        """
        if await self.is_open(session_id):
            try:
                await self._ask(
                    lambda: self._stripe.checkout.sessions.expire_async(
                        session_id, options={"idempotency_key": key}
                    ),
                    write=True,
                )
            except ApplicationError:
                # Unknown is not failed: what the session says counts.
                return not await self.is_open(session_id)
        return True

    async def _ask(self, request: Callable[[], Awaitable[Answer]], *, write: bool = False) -> Answer:
        for pause_s in _PAUSES_S:
            try:
                return await self._in_turn(request, write=write)
            except ApplicationError as error:
                if error.type != BUSY:
                    raise
            await asyncio.sleep(pause_s)
        return await self._in_turn(request, write=write)

    async def _in_turn(self, request: Callable[[], Awaitable[Answer]], *, write: bool) -> Answer:
        async with self._places:
            await self._pace()
            with translated_errors(write=write):
                try:
                    return await request()
                finally:
                    self._beat()

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        start = max(self._next_start, loop.time())
        self._next_start = start + 1 / _PER_S
        await asyncio.sleep(start - loop.time())


def _too_much(what: str) -> ApplicationError:
    text = f"More than {_PAGE * _PAGES_AT_MOST} {what}: compare fewer days at once."
    return ApplicationError(text, type=TOO_MUCH, non_retryable=True)
