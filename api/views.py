"""The bodies of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from sqlalchemy.ext.asyncio import AsyncSession

from domain.attention import AttentionCode
from domain.booking import ENDED, ActorKind, Decision, Status
from domain.decisions import immediate_outcome
from domain.money import Money
from domain.timestamps import rfc3339
from models import Booking, BookingAttention, BookingTimeline, Hotel, RoomType
from storage.attention import as_attention, attention_of_all
from storage.courses import BookingCourse
from storage.owed import own_paid_elsewhere_minor

Instant = Annotated[
    datetime, PlainSerializer(rfc3339, return_type=str), Field(examples=["2027-05-01T09:30:00Z"])
]
Amount = Annotated[str, Field(description="In the currency's own decimals.", examples=["150.00"])]
PaymentState = Literal["unpaid", "authorized", "captured", "released", "refunded"]

UNDER_WAY_FOR: Final = timedelta(minutes=1)
"""A decision without an outcome for longer may have been lost before it was sent: people may make it again."""


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class GuestView(_View):
    """A booking's guest."""

    first_name: str
    last_name: str
    email: str
    phone: str | None


class TimelineEntry(_View):
    """One version of the booking."""

    at: Instant
    from_status: str | None = Field(alias="from")
    to_status: str = Field(alias="to")
    event: str
    actor: str
    version: int


class BookingView(_View):
    """A booking, as its guest or the hotel's staff see it."""

    booking_id: str
    hotel: str = Field(description="The hotel's slug.")
    room_type: str = Field(description="The room type's code.")
    check_in: date
    check_out: date
    adults: int
    children: int
    guest: GuestView
    special_requests: str | None
    amount: Amount
    amount_captured: Amount
    amount_refunded: Amount
    amount_paid_elsewhere: Amount = Field(description="Amount the hotel paid the guest outside Stripe.")
    currency: str
    status: Status
    reason_code: str | None
    reason_note: str | None
    decision_deadline: Instant | None
    pending_decision: str | None = Field(description="The decision without an outcome yet.")
    needs_attention: bool = Field(description="Whether a person at the hotel has to act.")
    payment_provider: str | None
    payment_reference: str | None
    payment_intent_id: str | None
    payment_authorized_at: Instant | None
    paid_at: Instant | None
    decision_made_at: Instant | None
    decision_made_by: str | None
    version: int
    created_at: Instant
    updated_at: Instant
    timeline: list[TimelineEntry]


class AttentionView(_View):
    """A reason why a booking needs attention."""

    code: AttentionCode = Field(description="The kind of reason; docs/runbook.md has the advice for each.")
    detail: str = Field(description="Its subject and the answer received, in technical terms; may be empty.")
    since: Instant


class StaffBooking(BookingView):
    """A booking with the fields that only the hotel's staff see."""

    attention: list[AttentionView] = Field(
        description="The open reasons why it needs attention, oldest first; empty if `needs_attention` is false."
    )


class CreatedBooking(BookingView):
    """A booking just created, with the token that opens it."""

    access_token: str


class DecidedBooking(BookingView):
    """A booking after a decision."""

    settled: bool = Field(description="False: the decision is safe and under way; look again.")


class DecidedStaffBooking(StaffBooking, DecidedBooking):
    """A booking after a decision by staff."""


class BookingPage(_View):
    """A page of a hotel's bookings."""

    items: list[StaffBooking]
    next_cursor: str | None = Field(description="Gives the next page; null on the last.")


class PaymentSessionView(_View):
    """A payment page."""

    session_id: str
    payment_url: str
    status: Literal["created", "existing"]
    amount: Amount
    currency: str


class PaymentView(_View):
    """A payment's state, without data about the guest."""

    booking_id: str
    status: Status
    payment_status: PaymentState
    amount: Amount
    currency: str


class RoomTypeView(_View):
    """A kind of room."""

    code: str
    name: str
    price_per_night: Amount
    max_guests: int


class PolicyView(_View):
    """A hotel's cancellation policy."""

    free_cancel_days: int
    late_cancel_fee_percent: int
    text: str


class HotelView(_View):
    """A hotel, as guests see it before they book."""

    slug: str
    name: str
    currency: str
    timezone: str
    room_types: list[RoomTypeView]
    cancellation_policy: PolicyView


class AvailableRoomType(_View):
    """A kind of room, for one stay."""

    code: str
    name: str
    available: int = Field(description="Rooms left on the fullest night, at most 5.")
    amount: Amount
    currency: str


class AvailabilityView(_View):
    """The room types a hotel has left for a stay with so many guests."""

    check_in: date
    check_out: date
    adults: int
    children: int
    room_types: list[AvailableRoomType]


@dataclass(frozen=True)
class BookingDetails:
    """A booking's row with the rows it refers to, and what has happened to it.

    Args:
        rooms_left: rooms of its type that could be claimed on its fullest night; None where nobody asked.
    """

    booking: Booking
    hotel: Hotel
    room_type: RoomType
    course: BookingCourse
    rooms_left: int | None = None


def show(found: BookingDetails) -> BookingView:
    """Convert a booking for its guest."""
    row, pending = found.booking, found.course.pending_decision
    return BookingView(
        booking_id=row.booking_id,
        hotel=found.hotel.slug,
        room_type=found.room_type.code,
        check_in=row.check_in,
        check_out=row.check_out,
        adults=row.adults,
        children=row.children,
        guest=GuestView(
            first_name=row.guest_first_name,
            last_name=row.guest_last_name,
            email=row.guest_email,
            phone=row.guest_phone,
        ),
        special_requests=row.special_requests,
        amount=str(Money(row.amount_minor, row.currency)),
        amount_captured=str(Money(row.amount_captured_minor, row.currency)),
        amount_refunded=str(Money(row.amount_refunded_minor, row.currency)),
        amount_paid_elsewhere=str(Money(row.amount_paid_elsewhere_minor, row.currency)),
        currency=row.currency,
        status=Status(row.status),
        reason_code=row.reason_code_for_guest,
        reason_note=row.reason_note,
        decision_deadline=row.decision_deadline,
        pending_decision=pending if pending and _may_still_come(row, Decision(pending)) else None,
        needs_attention=row.needs_attention,
        payment_provider=row.payment_provider,
        payment_reference=row.payment_reference,
        payment_intent_id=row.payment_intent_id,
        payment_authorized_at=row.payment_authorized_at,
        paid_at=row.paid_at,
        decision_made_at=row.decision_made_at,
        decision_made_by=row.decision_made_by,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        # In a list the timeline is read after the row, and may have one more entry by then.
        timeline=[_entry(line) for line in found.course.timeline if line.version <= row.version],
    )


async def show_to_staff(db: AsyncSession, found: Sequence[BookingDetails]) -> list[StaffBooking]:
    """Convert several bookings for the hotel's staff; reads the reasons of those that need attention."""
    reasons = await attention_of_all(db, [item.booking for item in found])
    return [
        StaffBooking(
            **(vars(show(item)) | {"reason_code": item.booking.reason_code}),
            attention=[_attention(row) for row in reasons[item.booking.booking_id]],
        )
        for item in found
    ]


def _attention(row: BookingAttention) -> AttentionView:
    reason = as_attention(row)
    return AttentionView(code=reason.code, detail=reason.text, since=row.since)


def _may_still_come(row: Booking, decision: Decision) -> bool:
    # A decision whose sender died before the signal stays open in the database for ever; it is ignored once the booking
    # has changed.
    outcome = immediate_outcome(
        decision, ActorKind.GUEST, Status(row.status), row.reason_code, too_late=False
    )
    return outcome is None


def _entry(line: BookingTimeline) -> TimelineEntry:
    return TimelineEntry(
        at=line.at,
        from_status=line.from_status,
        to_status=line.to_status,
        event=line.event,
        actor=line.actor,
        version=line.version,
    )


def payment_state(row: Booking) -> PaymentState:
    """A payment's state, in one word."""
    ended = Status(row.status) in ENDED
    returned_minor = row.amount_refunded_minor + own_paid_elsewhere_minor(row)
    if returned_minor > 0 and (ended or returned_minor == row.amount_captured_minor):
        return "refunded"
    if row.amount_captured_minor > 0:
        return "captured"
    if row.payment_authorized_at is None:
        return "unpaid"
    return "released" if ended else "authorized"


def show_payment(row: Booking) -> PaymentView:
    """Convert a booking's payment."""
    return PaymentView(
        booking_id=row.booking_id,
        status=Status(row.status),
        payment_status=payment_state(row),
        amount=str(Money(row.amount_minor, row.currency)),
        currency=row.currency,
    )


def show_hotel(hotel: Hotel, room_types: Sequence[RoomType]) -> HotelView:
    """Convert a hotel with its room types."""
    policy = hotel.cancellation_policy
    return HotelView(
        slug=hotel.slug,
        name=hotel.name,
        currency=hotel.currency,
        timezone=hotel.timezone,
        room_types=[
            RoomTypeView(
                code=room.code,
                name=room.name,
                price_per_night=str(Money(room.price_per_night_minor, hotel.currency)),
                max_guests=room.max_guests,
            )
            for room in room_types
        ],
        cancellation_policy=PolicyView(
            free_cancel_days=policy.free_cancel_days,
            late_cancel_fee_percent=policy.late_cancel_fee_percent,
            text=policy.in_words(),
        ),
    )
