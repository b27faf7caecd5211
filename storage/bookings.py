"""Bookings: reading them, and the one way to change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import Event, Status, transition
from domain.decisions import CommandOutcome
from domain.messages.changes import Change, ChangeResult
from models import (
    Booking,
    BookingCommand,
    BookingTimeline,
    Hotel,
    PaymentSession,
    ReturnAddresses,
    RoomType,
    Staff,
)
from storage.attention import apply_attention
from storage.card_details import RISK_RANK
from storage.database import Connection
from storage.money_movements import movements_of
from storage.rooms import follow_status
from storage.shown_events import MARK_SHOWN, shown_by

DECISION_EVENTS = frozenset(
    {
        Event.APPROVED,
        Event.DECLINED,
        Event.APPROVAL_TIMED_OUT,
        Event.AUTHORIZATION_LOST,
        Event.CAPTURED_OUTSIDE,
        Event.CAPTURE_MISMATCHED,
    }
)
NOTE_EVENTS = frozenset({Event.DECLINED, Event.CANCELLED_BY_STAFF, Event.CANCELLATION_WITHDRAWN})
"""Changes whose note the guest reads."""
CAPTURE_EVENTS = frozenset({Event.APPROVED, Event.CAPTURED_OUTSIDE, Event.CAPTURE_MISMATCHED})


_WITH_HOTEL: Final = (
    select(Booking, Hotel, RoomType)
    .join(Hotel, col(Hotel.id) == col(Booking.hotel_id))
    .join(RoomType, col(RoomType.id) == col(Booking.room_type_id))
    .where(col(Booking.booking_id) == bindparam("booking_id"))
)
_LOCK: Final = (
    select(
        Booking,
        select(col(Staff.email)).where(col(Staff.id) == bindparam("staff_id")).scalar_subquery(),
        select(col(BookingCommand.reason_note))
        .where(col(BookingCommand.command_id) == bindparam("command_id"))
        .scalar_subquery(),
    )
    .where(col(Booking.booking_id) == bindparam("booking_id"))
    .with_for_update(of=Booking)
    .execution_options(populate_existing=True)
)
# A fact that a change does not tell stays as it is.
_WRITE: Final = text(
    "WITH changed AS ("  # noqa: S608  constants only
    " UPDATE booking SET version = :version, updated_at = :at, status = :status,"
    "  reason_code = coalesce(:reason_code, reason_code), reason_note = :reason_note,"
    "  needs_attention = :needs_attention,"
    "  payment_provider = coalesce(:payment_provider, payment_provider),"
    "  payment_intent_id = coalesce(:payment_intent_id, payment_intent_id),"
    "  payment_reference = coalesce(:payment_reference, payment_reference),"
    f"  risk_rank = {RISK_RANK},"
    "  payment_authorized_at = coalesce(:payment_authorized_at, payment_authorized_at),"
    "  capture_before = coalesce(:capture_before, capture_before),"
    "  payment_deadline = coalesce(:payment_deadline, payment_deadline),"
    "  decision_deadline = coalesce(:decision_deadline, decision_deadline),"
    "  amount_captured_minor = coalesce(:amount_captured_minor, amount_captured_minor),"
    "  amount_refunded_minor = coalesce(:amount_refunded_minor, amount_refunded_minor),"
    "  refund_due_minor = coalesce(:refund_due_minor, refund_due_minor),"
    "  paid_elsewhere = coalesce(:paid_elsewhere, paid_elsewhere),"
    "  amount_paid_elsewhere_minor = coalesce(:amount_paid_elsewhere_minor, amount_paid_elsewhere_minor),"
    "  cancellation_counts_from = coalesce(:cancellation_counts_from, cancellation_counts_from),"
    "  decision_made_at = coalesce(:decision_made_at, decision_made_at),"
    "  decision_made_by = coalesce(:decision_made_by, decision_made_by),"
    "  paid_at = coalesce(:paid_at, paid_at)"
    " WHERE booking_id = :booking_id"
    "), closed AS ("
    " UPDATE booking_command SET closed_at = :at, outcome = :settled WHERE command_id = :command_id"
    "), moved AS ("
    " INSERT INTO money_movement (hotel_id, booking_id, at, kind, amount_minor, currency)"
    " SELECT b.hotel_id, b.booking_id, :at, m.kind, m.minor, b.currency FROM booking b,"
    "  unnest(CAST(:kinds AS text[]), CAST(:amounts AS bigint[])) AS m (kind, minor)"
    " WHERE b.booking_id = :booking_id"
    f"), shown AS ({MARK_SHOWN}"
    ") INSERT INTO booking_timeline (booking_id, version, at, from_status, to_status, event, actor, run_id)"
    " VALUES (:booking_id, :version, :at, :before, :status, :event, :actor, :run_id)"
).bindparams(bindparam("paid_elsewhere", type_=JSONB(none_as_null=True)))

_MARK_SHOWN: Final = text(MARK_SHOWN)
# After a hold the reference names the PaymentIntent; a late writer must not overwrite it.
_RECORD_SESSION: Final = text(
    "WITH opened AS ("
    " INSERT INTO payment_session (session_id, booking_id, url, return_code_hash, expires_at, created_at)"
    " VALUES (:session_id, :booking_id, :url, :return_code_hash, :expires_at, :created_at)"
    " ON CONFLICT DO NOTHING"
    ") UPDATE booking SET payment_provider = 'stripe', payment_reference = :session_id"
    " WHERE booking_id = :booking_id AND payment_intent_id IS NULL"
)
_SESSION_URL: Final = select(col(PaymentSession.url)).where(
    col(PaymentSession.session_id) == bindparam("session_id")
)
_OPEN_COMMAND: Final = text(
    "INSERT INTO booking_command (command_id, booking_id, kind, actor, reason_code, reason_note, refund_minor,"
    " status_when_issued, created_at) VALUES (:command_id, :booking_id, :kind, :actor, :reason_code,"
    " :reason_note, :refund_minor, :status_when_issued, :created_at)"
)
_CLOSE_COMMAND: Final = text(
    "UPDATE booking_command SET closed_at = :at, outcome = :outcome"
    " WHERE command_id = :command_id AND closed_at IS NULL"
)


class BookingNotFoundError(LookupError):
    """No row has this booking id."""


class StaleVersionError(RuntimeError):
    """The row is at another version than the writer expected: a booking must never have two writers."""


async def booking_by_id(db: AsyncSession, booking_id: str, *, lock: bool = False) -> Booking | None:
    """Find a booking by its public id.

    Args:
        lock: keep others from changing it until the transaction ends.
    """
    query = select(Booking).where(col(Booking.booking_id) == booking_id)
    return (await db.scalars(query.with_for_update() if lock else query)).one_or_none()


async def booking_in_hotel(
    db: AsyncSession, slug: str, booking_id: str
) -> tuple[Booking, Hotel, RoomType] | None:
    """Find a booking with its hotel and room type; another hotel's booking is not found."""
    found = await booking_with_hotel(db, booking_id)
    return found if found and found[1].slug == slug else None


async def booking_with_hotel(db: AsyncSession, booking_id: str) -> tuple[Booking, Hotel, RoomType] | None:
    """Find a booking with its hotel and room type, whichever hotel it belongs to."""
    found = (await db.execute(_WITH_HOTEL, {"booking_id": booking_id})).one_or_none()
    return (found[0], found[1], found[2]) if found else None


async def timeline(db: AsyncSession, booking_id: str) -> Sequence[BookingTimeline]:
    """A booking's timeline, oldest first."""
    query = select(BookingTimeline).where(col(BookingTimeline.booking_id) == booking_id)
    return (await db.scalars(query.order_by(col(BookingTimeline.version)))).all()


async def apply_change(db: AsyncSession, change: Change) -> ChangeResult:
    """Move a booking by one version: row, timeline and the decision behind it, in the caller's transaction.

    A repeat of the same change by the same workflow run finds it done. Rooms are claimed and freed with the status; a
    hold that finds none left is told so, and leaves the status as it is.

    Raises:
        BookingNotFoundError: there is no such row.
        StaleVersionError: the row is at another version.
        IllegalTransitionError: the transition table has no such row.
    """
    ids = {name: getattr(change, name) for name in ("booking_id", "staff_id", "command_id")}
    found = (await db.execute(_LOCK, ids)).one_or_none()
    if found is None:
        raise BookingNotFoundError(change.booking_id)
    booking, staff, note = found
    if booking.version != change.expected_version:
        return await _already_applied(db, booking, change)
    before = Status(booking.status)
    step = transition(before, change.event)
    shown = shown_by(change, booking, step.to)
    if not await follow_status(db, booking, before, step.to):
        await db.execute(_MARK_SHOWN, shown.parameters)
        return await _sold_out(db, booking, change)
    actor, is_decision = staff or change.actor, change.event in DECISION_EVENTS
    takes_note = change.command_id and change.event in NOTE_EVENTS
    movements = movements_of(booking, change)
    written = {
        **ids,
        **_facts(change),
        "decision_made_at": change.at if is_decision else None,
        "decision_made_by": actor if is_decision else None,
        "at": change.at,
        "event": change.event,
        "actor": actor,
        "before": before,
        "status": step.to,
        "version": booking.version + 1,
        "reason_code": step.reason or change.reason_code,
        "reason_note": note if takes_note else booking.reason_note,
        "needs_attention": await apply_attention(db, booking, change, moved=step.to is not before),
        "settled": CommandOutcome.SETTLED,
        "kinds": [kind for kind, _ in movements],
        "amounts": [minor for _, minor in movements],
        "run_id": change.run_id,
        **shown.parameters,
    }
    await db.execute(_WRITE, written)
    return ChangeResult(version=booking.version + 1, status=step.to)


async def _sold_out(db: AsyncSession, booking: Booking, change: Change) -> ChangeResult:
    """Keep that a hold found no room left: a later attempt may find one, and must not claim it."""
    told = _facts(replace(change, decision_deadline=None))
    await _tell(db, booking, told | {"sold_out_at": booking.sold_out_at or change.at})
    return ChangeResult(version=booking.version, status=Status(booking.status), sold_out=True)


async def _already_applied(db: AsyncSession, booking: Booking, change: Change) -> ChangeResult:
    row = await db.get(BookingTimeline, (change.booking_id, change.expected_version + 1))
    if row is None or (row.run_id, row.event) != (change.run_id, change.event):
        raise StaleVersionError(
            f"{change.booking_id}: {change.event} expected version {change.expected_version}, "
            f"the row is at {booking.version}"
        )
    if row.version == booking.version:
        # A repeated workflow task may have computed other instants from a later clock: the row shows the workflow's.
        await _tell(db, booking, _facts(replace(change, at=row.at)))
    return ChangeResult(version=row.version, status=Status(row.to_status))


async def _tell(db: AsyncSession, booking: Booking, told: dict[str, Any]) -> None:
    facts = {name: fact for name, fact in told.items() if fact is not None}
    if facts:
        await db.execute(update(Booking).where(col(Booking.id) == booking.id).values(facts))


def _facts(change: Change) -> dict[str, Any]:
    """What a change tells of the booking, by column; None where it tells nothing."""
    return {
        "payment_provider": "stripe" if change.payment_intent_id else None,
        "payment_intent_id": change.payment_intent_id,
        "payment_reference": change.payment_intent_id,
        "payment_authorized_at": change.authorized_at,
        "capture_before": change.capture_before,
        "payment_deadline": change.payment_deadline,
        "decision_deadline": change.decision_deadline,
        "amount_captured_minor": change.amount_captured_minor,
        "amount_refunded_minor": change.amount_refunded_minor,
        "refund_due_minor": change.refund_due_minor,
        "paid_elsewhere": change.paid_elsewhere,
        "amount_paid_elsewhere_minor": change.amount_paid_elsewhere_minor,
        "cancellation_counts_from": change.cancellation_counts_from,
        "paid_at": change.at if change.event in CAPTURE_EVENTS else None,
    }


async def record_session(db: Connection, session: PaymentSession) -> None:
    """Store a Checkout session that was opened for a booking; a repeat changes nothing."""
    await db.execute(_RECORD_SESSION, session.model_dump())


async def keep_return_addresses(db: AsyncSession, addresses: ReturnAddresses) -> int:
    """Store the addresses to which a payment page returns its guest; returns the id that workflows carry."""
    db.add(addresses)
    await db.flush()
    assert addresses.id is not None
    return addresses.id


async def return_addresses(db: AsyncSession, id_: int | None) -> ReturnAddresses:
    """The addresses to which a payment page returns its guest; both are None if the caller gave none."""
    kept = await db.get(ReturnAddresses, id_) if id_ is not None else None
    return kept or ReturnAddresses(booking_id="")


async def session_url(db: Connection, session_id: str) -> str | None:
    """The address of a payment page that was opened."""
    found = await db.execute(_SESSION_URL, {"session_id": session_id})
    return found.scalar_one_or_none()


async def newest_session(db: AsyncSession, booking_id: str) -> PaymentSession | None:
    """The newest Checkout session of a booking; no other can be open."""
    query = select(PaymentSession).where(col(PaymentSession.booking_id) == booking_id)
    return (await db.scalars(query.order_by(col(PaymentSession.created_at).desc()).limit(1))).one_or_none()


async def owns_session(db: AsyncSession, booking_id: str, session_id: str) -> bool:
    """Return whether `session_id` was opened for this booking."""
    session = await db.get(PaymentSession, session_id)
    return session is not None and session.booking_id == booking_id


async def open_command(db: Connection, command: BookingCommand) -> None:
    """Store a command before its signal is sent."""
    await db.execute(_OPEN_COMMAND, command.model_dump())


async def close_command(db: Connection, command_id: str, outcome: str, at: datetime) -> None:
    """Write the outcome of a decision that changed nothing; an outcome already written stays."""
    await db.execute(_CLOSE_COMMAND, {"command_id": command_id, "outcome": outcome, "at": at})
