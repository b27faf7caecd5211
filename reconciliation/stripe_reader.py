"""Stripe's side of a reconciliation: many payments and payment pages, read without being a burden.

Stripe takes 100 requests a second in live mode and 25 in test mode, from all of us together
(https://docs.stripe.com/rate-limits): a comparison leaves most of that to guests who are paying.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import stripe
from stripe.params import PaymentIntentListParams
from stripe.params.checkout import SessionListParams
from temporalio.exceptions import ApplicationError

from activities.payments import refunded
from activities.stripe_client import translated_errors
from domain.money import from_stripe
from domain.payment import PaymentStatus
from reconciliation.findings import PaymentIntentSnapshot

Answer = TypeVar("Answer")
Beat = Callable[[], None]

TOO_MUCH: Final = "too_much"

_PER_S: Final = 10
_AT_ONCE: Final = 4
_PAUSES_S: Final = (1, 2, 4, 8)
_PAGE: Final = 100
_PAGES_AT_MOST: Final = 500
_NOT_FOUND: Final = 404


@dataclass(frozen=True)
class OpenPage:
    """A Checkout session on which somebody could still pay."""

    session_id: str
    booking_id: str


class StripeReader:
    """Reads payments and pages, at most so many at once and so many a second.

    Raises (all methods):
        ApplicationError: typed as in `activities.stripe_client`.

    Args:
        beat: called after each request, to show that this is alive.
    """

    def __init__(self, client: stripe.StripeClient, beat: Beat) -> None:
        self._stripe = client.v1
        self._beat = beat
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._next_start = 0.0

    async def payment(self, payment_intent_id: str) -> PaymentIntentSnapshot | None:
        """One payment; None where Stripe does not know it."""
        try:
            intent = await self._ask(
                lambda: self._stripe.payment_intents.retrieve_async(
                    payment_intent_id, {"expand": ["latest_charge"]}
                )
            )
        except _UnknownError:
            return None
        return _snapshot(intent)

    async def recent_payments(self, since: datetime) -> list[PaymentIntentSnapshot]:
        """Every payment made since then that says it is about a booking.

        Raises:
            ApplicationError: `too_much`, final: more than 50,000 of them.
        """
        found: list[PaymentIntentSnapshot] = []
        params: PaymentIntentListParams = {
            "created": {"gte": int(since.timestamp())},
            "limit": _PAGE,
            "expand": ["data.latest_charge"],
        }
        for _ in range(_PAGES_AT_MOST):
            page = await self._ask(lambda: self._stripe.payment_intents.list_async(params))
            found += [_snapshot(intent) for intent in page.data if _booking_id(intent.metadata)]
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
            named = ((session.id, _booking_id(session.metadata)) for session in page.data)
            found += [OpenPage(id_, booking_id) for id_, booking_id in named if booking_id]
            if not page.has_more:
                return found
            params["starting_after"] = page.data[-1].id
        raise _too_much("open payment pages")

    async def is_open(self, session_id: str) -> bool:
        """Whether somebody could still pay on this page."""
        try:
            session = await self._ask(lambda: self._stripe.checkout.sessions.retrieve_async(session_id))
        except _UnknownError:
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
            except _CrowdedError:
                await asyncio.sleep(pause_s)
        return await self._in_turn(request, write=write)

    async def _in_turn(self, request: Callable[[], Awaitable[Answer]], *, write: bool) -> Answer:
        async with self._places:
            await self._pace()
            with translated_errors(write=write):
                try:
                    return await request()
                except stripe.InvalidRequestError as error:
                    if error.http_status == _NOT_FOUND:
                        raise _UnknownError from error
                    raise
                except stripe.RateLimitError as error:
                    raise _CrowdedError from error
                finally:
                    self._beat()

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        start = max(self._next_start, loop.time())
        self._next_start = start + 1 / _PER_S
        await asyncio.sleep(start - loop.time())


class _UnknownError(ApplicationError):
    def __init__(self) -> None:
        super().__init__("Stripe: no such object", type="stripe_unknown")


class _CrowdedError(ApplicationError):
    def __init__(self) -> None:
        super().__init__("Stripe: too many requests", type="stripe_busy")


def _too_much(what: str) -> ApplicationError:
    text = f"More than {_PAGE * _PAGES_AT_MOST} {what}: compare fewer days at once."
    return ApplicationError(text, type=TOO_MUCH, non_retryable=True)


def _booking_id(metadata: Any) -> str:
    values: Mapping[str, Any] = metadata.to_dict() if metadata else {}
    found = values.get("booking_id")
    return found if isinstance(found, str) else ""


def _snapshot(intent: stripe.PaymentIntent) -> PaymentIntentSnapshot:
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    currency = intent.currency.upper()
    return PaymentIntentSnapshot(
        payment_intent_id=intent.id,
        booking_id=_booking_id(intent.metadata),
        status=_status(intent.status),
        amount_minor=from_stripe(intent.amount, currency),
        currency=currency,
        received_minor=from_stripe(intent.amount_received, currency),
        refunded_minor=from_stripe(refunded(charge), currency) if charge else 0,
        disputed=bool(charge and charge.disputed),
    )


def _status(status: str) -> PaymentStatus:
    try:
        return PaymentStatus(status)
    except ValueError:
        # The guest, the bank or Stripe is still at work.
        return PaymentStatus.PENDING
