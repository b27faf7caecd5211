"""Compares bookings twice; a difference that persists at the second comparison is a finding.

No database transaction is open during requests to Stripe or Temporal.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from domain.identifiers import is_booking_id
from domain.payment import PaymentSnapshot
from models import utc_now
from reconciliation import queries as reconciliation
from reconciliation.findings import (
    DatabaseSnapshot,
    ExternalSnapshot,
    Finding,
    FindingKind,
    Remedy,
    WorkflowState,
)
from reconciliation.rules import compare, persisting
from reconciliation.stripe_reader import StripeReader
from reconciliation.temporal_reader import TemporalReader
from storage.database import Database

T = TypeVar("T")

_SECOND_LOOK_AFTER_S: Final = 2


@dataclass(frozen=True)
class ExternalSnapshots:
    """Snapshots from Stripe and Temporal, by booking.

    Args:
        payments: payments that Stripe lists as recent, or that were read one by one.
        pages: ids of Checkout sessions that are open.
        payment_workflows: running workflows of unmatched payments.
    """

    payments: Mapping[str, Sequence[PaymentSnapshot]]
    pages: Mapping[str, Sequence[str]]
    payment_workflows: Mapping[str, Sequence[str]]


class Comparison:
    """Compares bookings.

    Raises (all methods):
        ApplicationError: Stripe is away or refuses, typed as in `gateway.errors`.
        sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
        TemporalAwayError: Temporal is away.

    Args:
        after_restore: the database was restored: rows may lack changes of their workflows. The workflows' histories are
            read, which takes a request or more for each booking.
    """

    def __init__(
        self,
        database: Database,
        stripe_reader: StripeReader,
        temporal: TemporalReader,
        *,
        after_restore: bool = False,
    ) -> None:
        self._after_restore = after_restore
        self._database = database
        self._stripe_reader = stripe_reader
        self._temporal = temporal
        self.payments_compared: set[str] = set()

    async def read(self, since: datetime) -> ExternalSnapshots:
        """Read the data that all bookings share."""
        # Workflows are read before Stripe: the effect of one that ends in between is then seen at Stripe.
        payment_workflows = await self._temporal.running_payment_workflows()
        payments = await self._stripe_reader.recent_payments(since)
        pages = await self._stripe_reader.open_pages()
        return ExternalSnapshots(
            payments=_grouped((payment.booking_id, payment) for payment in payments),
            pages=_grouped((page.booking_id, page.session_id) for page in pages),
            payment_workflows=payment_workflows,
        )

    async def others(
        self, snapshots: ExternalSnapshots, known: Collection[str]
    ) -> tuple[dict[str, DatabaseSnapshot], list[Finding]]:
        """Bookings that Stripe's payments name beyond `known`, and findings about payments of unknown bookings."""
        at_stake = {
            id_: [payment for payment in payments if payment.is_at_stake]
            for id_, payments in snapshots.payments.items()
            if id_ not in known
        }
        named = {id_ for id_, payments in at_stake.items() if payments} | (snapshots.pages.keys() - known)
        async with self._database.transaction() as db:
            found = await reconciliation.database_snapshots(db, named)
        return found, [
            _without_booking(payment)
            for id_, payments in at_stake.items()
            if id_ not in found
            for payment in payments
        ]

    async def find(
        self, snapshots: ExternalSnapshots, bookings: Iterable[DatabaseSnapshot]
    ) -> list[tuple[Finding, DatabaseSnapshot]]:
        """Compare bookings twice; each finding comes with its booking's second snapshot."""
        first = [finding for finding, _ in await self._compare_once(snapshots, bookings)]
        if not first:
            return []
        # A row follows its step at Stripe after a moment; a step under way has finished after this pause.
        await asyncio.sleep(_SECOND_LOOK_AFTER_S)
        concerned = {finding.booking_id for finding in first}
        again = await self._read_again(snapshots, concerned)
        async with self._database.transaction() as db:
            fresh = await reconciliation.database_snapshots(db, concerned)
        second = dict(await self._compare_once(again, fresh.values()))
        return [(finding, second[finding]) for finding in persisting(first, second)]

    async def _compare_once(
        self, snapshots: ExternalSnapshots, bookings: Iterable[DatabaseSnapshot]
    ) -> list[tuple[Finding, DatabaseSnapshot]]:
        async def one(booking: DatabaseSnapshot) -> list[tuple[Finding, DatabaseSnapshot]]:
            found = compare(booking, await self._external_snapshot(snapshots, booking), utc_now())
            return [(finding, booking) for finding in found]

        return [pair for pairs in await asyncio.gather(*map(one, bookings)) for pair in pairs]

    async def _external_snapshot(
        self, snapshots: ExternalSnapshots, booking: DatabaseSnapshot
    ) -> ExternalSnapshot:
        workflow, shown = await self._temporal.workflow(booking.booking_id)
        payments = {payment.intent_id: payment for payment in snapshots.payments.get(booking.booking_id, ())}
        is_known = self._after_restore and workflow is not WorkflowState.MISSING
        recorded = await self._temporal.recorded_version(booking.booking_id) if is_known else 0
        own_id = booking.payment_intent_id
        if own_id is not None and own_id not in payments:
            own = await self._stripe_reader.payment(own_id)
            payments |= {own_id: own} if own else {}
        self.payments_compared |= payments.keys()
        return ExternalSnapshot(
            workflow=workflow,
            workflow_status=shown,
            recorded_version=recorded,
            payment_workflows=tuple(snapshots.payment_workflows.get(booking.booking_id, ())),
            payments=tuple(payments.values()),
            own_is_unknown=own_id is not None and own_id not in payments,
            open_pages=tuple(snapshots.pages.get(booking.booking_id, ())),
        )

    async def _read_again(
        self, snapshots: ExternalSnapshots, booking_ids: Iterable[str]
    ) -> ExternalSnapshots:
        payments: dict[str, list[PaymentSnapshot]] = {}
        pages: dict[str, list[str]] = {}
        payment_workflows = await self._temporal.running_payment_workflows()
        for id_ in booking_ids:
            ids = [payment.intent_id for payment in snapshots.payments.get(id_, ())]
            fresh = [await self._stripe_reader.payment(intent_id) for intent_id in ids]
            payments[id_] = [payment for payment in fresh if payment is not None]
            pages[id_] = [
                page for page in snapshots.pages.get(id_, ()) if await self._stripe_reader.is_open(page)
            ]
        return ExternalSnapshots(payments, pages, payment_workflows)


def _without_booking(payment: PaymentSnapshot) -> Finding:
    is_lost_hold = payment.is_held and is_booking_id(payment.booking_id)
    return Finding(
        FindingKind.PAYMENT_WITHOUT_BOOKING,
        # Foreign metadata: a value longer than a booking's id is cut.
        payment.booking_id[:40],
        Remedy.RELEASE_HOLD if is_lost_hold else Remedy.REPORT,
        payment.intent_id,
        f"{payment.status}, for a booking that is not in the database: another installation's?",
    )


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
