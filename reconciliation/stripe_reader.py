"""Stripe's side of reconciliation: reads payments and payment pages at a limited rate.

Stripe allows an account 100 requests a second in live mode and 25 in test mode
(https://docs.stripe.com/rate-limits). Reconciliation leaves most of them to paying guests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
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
    """An open Checkout session: a guest could still pay on it."""

    session_id: str
    booking_id: str


class StripeReader:
    """Reads payments and pages, with limits on concurrency and on requests per second.

    Raises (all methods):
        ApplicationError: typed as in `gateway.errors`.

    Args:
        beat: called after each request, as the activity's heartbeat.
    """

    def __init__(self, client: stripe.StripeClient, beat: Beat) -> None:
        self._stripe = client.v1
        self._beat = beat
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._next_start = 0.0

    async def payment(self, payment_intent_id: str) -> PaymentSnapshot | None:
        """One payment; None if Stripe does not know it."""
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
        """Every payment since then whose metadata name a booking.

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
        """Every open payment page whose metadata name a booking.

        A page lives for a day at most, so only sessions created in the last day are listed.
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
        """Whether a guest could still pay on this page."""
        try:
            session = await self._ask(lambda: self._stripe.checkout.sessions.retrieve_async(session_id))
        except ApplicationError as error:
            if error.type != UNKNOWN:
                raise
            return False
        return session.status == "open"

    async def close_page(self, session_id: str, key: str) -> bool:
        """Close a payment page, and return whether it is closed; the guest may have paid first.

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
                # Unknown is not failed: read the session back.
                return not await self.is_open(session_id)
        return True

    async def release_lost_hold(self, payment_intent_id: str, hotel_slugs: Collection[str], key: str) -> bool:
        """Release a hold whose booking is not in the database, and return whether it is released.

        A payment that names none of these hotels is another program's, and is left alone.

        Args:
            hotel_slugs: the hotels in the database.
            key: the idempotency key.
        """
        intent = await self._ask(lambda: self._stripe.payment_intents.retrieve_async(payment_intent_id))
        if intent.metadata is None or intent.metadata.to_dict().get("hotel") not in hotel_slugs:
            return False
        if intent.status == "requires_capture":
            with suppress(ApplicationError):  # Unknown is not failed: the payment is read back.
                await self._ask(
                    lambda: self._stripe.payment_intents.cancel_async(
                        payment_intent_id, {"cancellation_reason": "abandoned"}, {"idempotency_key": key}
                    ),
                    write=True,
                )
            intent = await self._ask(lambda: self._stripe.payment_intents.retrieve_async(payment_intent_id))
        return intent.status == "canceled"

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
