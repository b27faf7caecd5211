"""Looking at bookings from all three sides, twice: what is still so at the second look is a finding.

No database transaction is open while Stripe or Temporal is asked.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from models import utc_now
from reconciliation import queries as reconciliation
from reconciliation.findings import Booked, Finding, Kind, Remedy, Seen, SeenPayment
from reconciliation.rules import compare, persisting
from reconciliation.stripe_reader import StripeBooks
from reconciliation.temporal_reader import TemporalBooks
from storage.database import Database

T = TypeVar("T")

_SECOND_LOOK_AFTER_S: Final = 2


@dataclass(frozen=True)
class Reading:
    """What Stripe and Temporal said, by booking.

    Args:
        payments: what Stripe lists as recent, or was asked about one by one.
        pages: ids of Checkout sessions that are open.
        strays: workflows that are settling stray money.
    """

    payments: Mapping[str, Sequence[SeenPayment]]
    pages: Mapping[str, Sequence[str]]
    strays: Mapping[str, Sequence[str]]


class Comparison:
    """Compares bookings.

    Raises (all methods):
        ApplicationError: Stripe is away or refuses, typed as in `activities.stripe_client`.
        sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
        RPCError, RuntimeError: Temporal is away.
    """

    def __init__(self, database: Database, books: StripeBooks, temporal: TemporalBooks) -> None:
        self._database = database
        self._books = books
        self._temporal = temporal
        self.payments_seen: set[str] = set()

    async def read(self, since: datetime) -> Reading:
        """Read what is read for all bookings at once."""
        # Strays first: one that ends in between has left at Stripe what is read after it.
        strays = await self._temporal.running_strays()
        payments = await self._books.recent_payments(since)
        pages = await self._books.open_pages()
        return Reading(
            payments=_grouped((payment.booking_id, payment) for payment in payments),
            pages=_grouped((page.booking_id, page.session_id) for page in pages),
            strays=strays,
        )

    async def others(
        self, reading: Reading, known: Collection[str]
    ) -> tuple[dict[str, Booked], list[Finding]]:
        """Bookings Stripe speaks of beyond those `known`, and findings about money of bookings nobody knows."""
        at_stake = {
            id_: [payment for payment in payments if payment.is_at_stake]
            for id_, payments in reading.payments.items()
            if id_ not in known
        }
        named = {id_ for id_, payments in at_stake.items() if payments} | (reading.pages.keys() - known)
        async with self._database.transaction() as db:
            found = await reconciliation.booked(db, named)
        return found, [
            _of_nobody(payment)
            for id_, payments in at_stake.items()
            if id_ not in found
            for payment in payments
        ]

    async def find(self, reading: Reading, bookings: Iterable[Booked]) -> list[tuple[Finding, Booked]]:
        """Compare bookings twice; each finding comes with its booking as it was at the second look."""
        first = [finding for finding, _ in await self._look(reading, bookings)]
        if not first:
            return []
        # Between a step at Stripe and its row lies a moment; what is a step on its way is over after this.
        await asyncio.sleep(_SECOND_LOOK_AFTER_S)
        concerned = {finding.booking_id for finding in first}
        again = await self._read_again(reading, concerned)
        async with self._database.transaction() as db:
            fresh = await reconciliation.booked(db, concerned)
        second = dict(await self._look(again, fresh.values()))
        return [(finding, second[finding]) for finding in persisting(first, second)]

    async def _look(self, reading: Reading, bookings: Iterable[Booked]) -> list[tuple[Finding, Booked]]:
        async def one(booked: Booked) -> list[tuple[Finding, Booked]]:
            found = compare(booked, await self._seen(reading, booked), utc_now())
            return [(finding, booked) for finding in found]

        return [pair for pairs in await asyncio.gather(*map(one, bookings)) for pair in pairs]

    async def _seen(self, reading: Reading, booked: Booked) -> Seen:
        workflow, shown = await self._temporal.workflow(booked.booking_id)
        payments = {
            payment.payment_intent_id: payment for payment in reading.payments.get(booked.booking_id, ())
        }
        own_id = booked.payment_intent_id
        if own_id is not None and own_id not in payments:
            own = await self._books.payment(own_id)
            payments |= {own_id: own} if own else {}
        self.payments_seen |= payments.keys()
        return Seen(
            workflow=workflow,
            workflow_status=shown,
            strays=tuple(reading.strays.get(booked.booking_id, ())),
            payments=tuple(payments.values()),
            own_is_unknown=own_id is not None and own_id not in payments,
            open_pages=tuple(reading.pages.get(booked.booking_id, ())),
        )

    async def _read_again(self, reading: Reading, booking_ids: Iterable[str]) -> Reading:
        payments: dict[str, list[SeenPayment]] = {}
        pages: dict[str, list[str]] = {}
        strays = await self._temporal.running_strays()
        for id_ in booking_ids:
            ids = [payment.payment_intent_id for payment in reading.payments.get(id_, ())]
            seen = [await self._books.payment(intent_id) for intent_id in ids]
            payments[id_] = [payment for payment in seen if payment is not None]
            pages[id_] = [page for page in reading.pages.get(id_, ()) if await self._books.is_open(page)]
        return Reading(payments, pages, strays)


def _of_nobody(payment: SeenPayment) -> Finding:
    return Finding(
        Kind.PAYMENT_OF_NOBODY,
        # Not of our making: whatever is too long for a booking's id is cut.
        payment.booking_id[:40],
        Remedy.REPORT,
        payment.payment_intent_id,
        f"{payment.status}, for a booking that is not in the database: another installation's?",
    )


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
