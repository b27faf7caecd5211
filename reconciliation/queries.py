"""Reconciliation's queries: the bookings to compare, their snapshots, and the terms to restart lost workflows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import ENDED, TRANSITIONS, ActorKind, Decision, Event, MailKind, ReasonCode, Status
from domain.messages.notifications import Mailing
from domain.messages.signals import Command
from domain.messages.starts import BookingTerms, OpenDecision, Resumption
from domain.messages.stripe_steps import CheckoutSession
from models import Booking, BookingCommand, BookingTimeline, Hotel, SentMail, Staff
from reconciliation.findings import DatabaseSnapshot, UnansweredDecision
from reconciliation.room_queries import rooms_of
from storage.attention import as_attention, attention_of
from storage.booking_list import timelines
from storage.bookings import newest_session
from storage.creation import submission_terms
from storage.mails import mails_of
from storage.tables import RoomClaim

_OPEN: Final = tuple(status for status in Status if status not in ENDED and status is not Status.CONFIRMED)

_NOT_COME_OUT: Final = (
    col(BookingCommand.closed_at).is_(None),
    col(BookingCommand.kind).in_(list(Decision)),
)
_DECISIONS_AT_MOST: Final = 1000
"""So many are 200 kB, a tenth of what a start may carry. The first one decides; one more is a repeat."""


# --- bookings and snapshots ---


async def bookings_to_compare(
    db: AsyncSession, after: int, since: datetime, limit: int
) -> list[tuple[int, DatabaseSnapshot]]:
    """Open bookings and those that ended after `since`, ordered by row id.

    Args:
        after: the row id after which they begin.
        limit: the largest number of bookings.
    """
    claim = select(RoomClaim).where(col(RoomClaim.booking_id) == col(Booking.booking_id))
    query = (
        select(Booking, Hotel)
        .join(Hotel, col(Hotel.id) == col(Booking.hotel_id))
        .where(
            col(Booking.id) > after,
            or_(
                col(Booking.status).in_(_OPEN),
                col(Booking.updated_at) >= since,
                # A confirmed booking is over at check-out, which does not change its row.
                (col(Booking.status) == Status.CONFIRMED) & (col(Booking.check_out) >= since.date()),
                col(Booking.needs_attention),
                # Rooms that were not freed keep others from being claimed, however long ago that was.
                col(Booking.status).in_(ENDED) & claim.exists(),
            ),
        )
        .order_by(col(Booking.id))
        .limit(limit)
    )
    rows = [(row[0], row[1]) for row in await db.execute(query)]
    facts = await _facts(db, rows)
    return [(_row_id(booking), facts[booking.booking_id]) for booking, _ in rows]


async def database_snapshots(db: AsyncSession, booking_ids: Iterable[str]) -> dict[str, DatabaseSnapshot]:
    """The database's snapshots of these bookings; unknown ids are left out."""
    query = (
        select(Booking, Hotel)
        .join(Hotel, col(Hotel.id) == col(Booking.hotel_id))
        .where(col(Booking.booking_id).in_(list(booking_ids)))
    )
    return await _facts(db, [(row[0], row[1]) for row in await db.execute(query)])


def _row_id(booking: Booking) -> int:
    assert booking.id is not None
    return booking.id


async def _facts(db: AsyncSession, rows: Sequence[tuple[Booking, Hotel]]) -> dict[str, DatabaseSnapshot]:
    ids = [booking.booking_id for booking, _ in rows]
    steps = await timelines(db, ids)
    open_decisions = await _open_decisions(db, ids)
    rooms = await rooms_of(db, [booking for booking, _ in rows])
    return {
        booking.booking_id: replace(
            _database_snapshot(booking, hotel, steps[booking.booking_id], open_decisions[booking.booking_id]),
            rooms=rooms[booking.booking_id],
        )
        for booking, hotel in rows
    }


async def _open_decisions(db: AsyncSession, ids: Sequence[str]) -> dict[str, list[UnansweredDecision]]:
    query = select(BookingCommand).where(col(BookingCommand.booking_id).in_(ids), *_NOT_COME_OUT)
    found: dict[str, list[UnansweredDecision]] = defaultdict(list)
    for row in await db.scalars(query.order_by(col(BookingCommand.created_at))):
        decision = UnansweredDecision(row.command_id, Decision(row.kind), row.created_at)
        found[row.booking_id].append(decision)
    return found


def _database_snapshot(
    booking: Booking,
    hotel: Hotel,
    steps: Sequence[BookingTimeline],
    open_decisions: Sequence[UnansweredDecision],
) -> DatabaseSnapshot:
    return DatabaseSnapshot(
        booking_id=booking.booking_id,
        hotel_slug=hotel.slug,
        status=Status(booking.status),
        version=booking.version,
        amount_minor=booking.amount_minor,
        currency=booking.currency,
        created_at=booking.created_at,
        check_out_at=booking.check_out_at,
        captured_minor=booking.amount_captured_minor,
        refunded_minor=booking.amount_refunded_minor,
        paid_elsewhere=booking.paid_elsewhere,
        fee_minor=_fee_minor(booking),
        payment_intent_id=booking.payment_intent_id,
        needs_attention=booking.needs_attention,
        closes_at=booking.payment_deadline,
        decision_deadline=booking.decision_deadline,
        dispute_recorded=any(step.event == Event.DISPUTE_RECORDED for step in steps),
        open_decisions=tuple(open_decisions),
    )


def _submitted_at(steps: Sequence[BookingTimeline]) -> datetime | None:
    return next((step.at for step in steps if step.event == Event.SUBMITTED), None)


def _fee_minor(booking: Booking) -> int:
    """The cancellation fee of a cancelled booking, in the currency's smallest unit."""
    return 0 if booking.refund_due_minor is None else booking.amount_minor - booking.refund_due_minor


# --- terms to restart a lost workflow ---


async def terms_to_go_on(
    db: AsyncSession, booking_id: str, version: int, *, authorization_margin_s: int, payment_poll_s: int
) -> BookingTerms | None:
    """The terms with which a lost workflow is restarted at its row's state.

    Args:
        version: the row's version when the workflow was found to be lost.

    Returns:
        None if the row has changed since: then a workflow is writing it, and must remain the only writer.
    """
    query = select(Booking, Hotel).join(Hotel, col(Hotel.id) == col(Booking.hotel_id))
    found = (await db.execute(query.where(col(Booking.booking_id) == booking_id))).one_or_none()
    if found is None or found[0].version != version:
        return None
    booking, hotel = found[0], found[1]
    status = Status(booking.status)
    resume = None if status is Status.DRAFT else await _resumption(db, booking, status)
    terms = submission_terms(
        booking,
        hotel.slug,
        authorization_margin_s=authorization_margin_s,
        payment_poll_s=payment_poll_s,
    )
    return replace(terms, resume=resume)


async def _resumption(db: AsyncSession, booking: Booking, status: Status) -> Resumption:
    steps = (await timelines(db, [booking.booking_id])).get(booking.booking_id, [])
    session = await newest_session(db, booking.booking_id)
    reasons = await attention_of(db, booking)
    mails = await mails_of(db, booking.booking_id)
    return Resumption(
        status=status,
        submitted_at=_submitted_at(steps) or booking.created_at,
        session=CheckoutSession(session.session_id, session.expires_at) if session else None,
        payment_intent_id=booking.payment_intent_id,
        refunded_minor=booking.amount_refunded_minor,
        refund_due_minor=booking.refund_due_minor,
        paid_elsewhere=booking.paid_elsewhere,
        cancellation_counts_from=booking.cancellation_counts_from,
        attention=tuple(as_attention(reason) for reason in reasons),
        decision_deadline=booking.decision_deadline,
        decisions=await _decisions(db, booking.booking_id),
        mailings=tuple(_unsent_mailings(booking, steps, mails, {reason.since for reason in reasons})),
        reason_code=ReasonCode(booking.reason_code) if booking.reason_code else None,
        sold_out=booking.sold_out_at is not None,
    )


async def _decisions(db: AsyncSession, booking_id: str) -> tuple[OpenDecision, ...]:
    """Accepted decisions without an outcome, oldest first."""
    query = (
        select(BookingCommand, col(Staff.id))
        .outerjoin(Staff, col(Staff.email) == col(BookingCommand.actor))
        .where(col(BookingCommand.booking_id) == booking_id, *_NOT_COME_OUT)
        .order_by(col(BookingCommand.created_at))
        .limit(_DECISIONS_AT_MOST)
    )
    return tuple(
        OpenDecision(Decision(row.kind), _command(row, staff_id)) for row, staff_id in await db.execute(query)
    )


def _command(row: BookingCommand, staff_id: int | None) -> Command:
    """A stored decision as its signal carried it. A cancellation's fee is the one at the time of the request."""
    return Command(
        command_id=row.command_id,
        actor=ActorKind.GUEST if row.actor == ActorKind.GUEST else ActorKind.STAFF,
        staff_id=staff_id,
        reason_code=ReasonCode(row.reason_code) if row.reason_code else None,
        issued_at=row.created_at,
        refund_minor=row.refund_minor,
        status_when_issued=Status(row.status_when_issued) if row.status_when_issued else None,
    )


def _unsent_mailings(
    booking: Booking,
    steps: Sequence[BookingTimeline],
    mails: Sequence[SentMail],
    called_at: Collection[datetime],
) -> Iterator[Mailing]:
    """E-mails of a booking's changes that no mail server is recorded to have accepted.

    A mail to several people is begun for all of them at once; staff added later do not receive it.

    Args:
        called_at: when each open attention reason began. No mail is sent about a reason that has been cleared.
    """
    sent = {(mail.version, mail.kind) for mail in mails}
    sent -= {(mail.version, mail.kind) for mail in mails if mail.sent_at is None}
    for step in steps:
        if step.event == Event.ATTENTION_NEEDED and step.at not in called_at:
            continue
        kinds = tuple(kind for kind in _mails_of(booking, step) if (step.version, kind) not in sent)
        if kinds:
            yield Mailing(booking.booking_id, kinds, step.version)


def _mails_of(booking: Booking, step: BookingTimeline) -> tuple[MailKind, ...]:
    if step.from_status is None:
        return ()
    change = TRANSITIONS.get((Status(step.from_status), Event(step.event)))
    return change.mails_for(was_held=booking.payment_intent_id is not None) if change else ()
