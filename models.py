"""Tables. Money is an integer in minor units; every time is timezone-aware.

A booking's row is a projection: once submitted, only its workflow's activities write it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from domain.booking import ActorKind, ReasonCode, Status
from domain.cancellation import CancellationPolicy, CancellationTerms
from domain.deadlines import local_hour, midnight
from domain.money import Money
from domain.payment_card import NO_RISK_LEVEL


def utc_now() -> datetime:
    """The present time, for columns that record when a row was written."""
    return datetime.now(UTC)


def instant_column(*, nullable: bool = False) -> Any:
    """A column for a timezone-aware time."""
    # A fresh Column for each use: a Column belongs to one table only.
    return Column(DateTime(timezone=True), nullable=nullable)


class Hotel(SQLModel, table=True):
    """A hotel and the terms it offers.

    `long_holds`: Stripe is asked to extend the time for which cards are held.
    """

    __tablename__ = "hotel"

    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True, max_length=60)
    name: str = Field(max_length=200)
    currency: str = Field(max_length=3)
    timezone: str = Field(max_length=64)
    check_in_hour: int = 15
    check_out_hour: int = 11
    approval_sla_s: int = 86400
    payment_window_s: int = 86400
    cutoff_days_before: int = 0
    cutoff_hour: int = 22
    free_cancel_days: int = 2
    late_cancel_fee_percent: int = 100
    overbooking: int = 0
    long_holds: bool = False
    managers_need_second_factor: bool = False
    contact_email: str | None = Field(default=None, max_length=320)
    contact_phone: str | None = Field(default=None, max_length=40)
    address: str | None = Field(default=None, max_length=500)
    directions: str | None = Field(default=None, max_length=1000)
    location: str | None = Field(default=None, max_length=30)

    @property
    def cancellation_policy(self) -> CancellationPolicy:
        """The cancellation policy of new bookings."""
        return CancellationPolicy(self.free_cancel_days, self.late_cancel_fee_percent)


class RoomType(SQLModel, table=True):
    """A kind of room with its price."""

    __tablename__ = "room_type"
    __table_args__ = (UniqueConstraint("hotel_id", "code"), CheckConstraint("price_per_night_minor > 0"))

    id: int | None = Field(default=None, primary_key=True)
    hotel_id: int = Field(foreign_key="hotel.id")
    code: str = Field(max_length=40)
    name: str = Field(max_length=200)
    price_per_night_minor: int = Field(sa_type=BigInteger)
    max_guests: int
    rooms: int


class Staff(SQLModel, table=True):
    """A person who works for one hotel.

    `credentials_version` is part of each token they log in with; raising it ends all their log-ins.
    """

    __tablename__ = "staff"

    id: int | None = Field(default=None, primary_key=True)
    hotel_id: int = Field(foreign_key="hotel.id", index=True)
    email: str = Field(unique=True, max_length=320)
    role: str = Field(max_length=20)
    password_hash: str
    active: bool = True
    credentials_version: int = 1


class Booking(SQLModel, table=True):
    """A booking. After submission only its workflow's activities write the row.

    The columns from `timezone` to `late_cancel_fee_percent` keep the hotel's terms at the time of the booking; later
    changes by the hotel do not affect them.

    `capture_before`: when its hold lapses, if Stripe says.
    `risk_rank`: where the risk level of its held card stands in `domain.payment_card.RISK_LEVELS`.
    `sold_out_at`: when its hold found no room left. That is final: the hold is given up, whatever becomes free.
    """

    __tablename__ = "booking"
    __table_args__ = (
        CheckConstraint("amount_minor > 0"),
        CheckConstraint("amount_captured_minor between 0 and amount_minor"),
        CheckConstraint("amount_refunded_minor between 0 and amount_captured_minor"),
        CheckConstraint("amount_paid_elsewhere_minor >= 0"),
        CheckConstraint("check_out > check_in"),
        Index("booking_queue", "hotel_id", "status", "decision_deadline", "id"),
        Index(
            "booking_riskiest",
            "hotel_id",
            "risk_rank",
            "id",
            postgresql_where="status = 'PENDING_APPROVAL'",
        ),
        Index("booking_deadline", "hotel_id", "decision_deadline", "id"),
        Index("booking_newest", "hotel_id", "created_at", "id"),
        Index("booking_arrivals", "hotel_id", "check_in", "id"),
        Index("booking_newest_of_status", "hotel_id", "status", "created_at", "id"),
        Index("booking_held", "hotel_id", "payment_authorized_at"),
        Index("booking_decided", "hotel_id", "decision_made_at"),
        Index(
            "booking_needing_attention",
            "hotel_id",
            "updated_at",
            "id",
            postgresql_where="needs_attention",
        ),
        Index("booking_current", "check_out", "status"),
        Index("booking_draft", "created_at", postgresql_where="status = 'DRAFT'"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    booking_id: str = Field(unique=True, max_length=40)
    hotel_id: int = Field(foreign_key="hotel.id")
    room_type_id: int = Field(foreign_key="room_type.id")
    check_in: date
    check_out: date
    adults: int
    children: int = 0
    guest_first_name: str = Field(max_length=100)
    guest_last_name: str = Field(max_length=100)
    guest_email: str = Field(max_length=320)
    guest_phone: str | None = Field(default=None, max_length=40)
    special_requests: str | None = Field(default=None, max_length=2000)
    amount_minor: int = Field(sa_type=BigInteger)
    amount_captured_minor: int = Field(default=0, sa_type=BigInteger)
    amount_refunded_minor: int = Field(default=0, sa_type=BigInteger)
    amount_paid_elsewhere_minor: int = Field(default=0, sa_type=BigInteger)
    paid_elsewhere: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    refund_due_minor: int | None = Field(default=None, sa_type=BigInteger)
    currency: str = Field(max_length=3)
    timezone: str = Field(max_length=64)
    check_in_hour: int
    check_out_hour: int
    approval_sla_s: int
    payment_window_s: int
    cutoff_at: datetime = Field(sa_column=instant_column())
    free_cancel_days: int
    late_cancel_fee_percent: int
    cancellation_counts_from: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    status: str = Field(default=Status.DRAFT, max_length=20)
    reason_code: str | None = Field(default=None, max_length=40)
    reason_note: str | None = Field(default=None, max_length=1000)
    payment_deadline: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    decision_deadline: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    needs_attention: bool = False
    payment_provider: str | None = Field(default=None, max_length=20)
    payment_reference: str | None = Field(default=None, max_length=255)
    payment_intent_id: str | None = Field(default=None, max_length=255, unique=True)
    risk_rank: int = NO_RISK_LEVEL
    payment_authorized_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    capture_before: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    sold_out_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    paid_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    decision_made_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    decision_made_by: str | None = Field(default=None, max_length=320)
    guest_erased_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    version: int = 1
    created_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())
    updated_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())

    @property
    def total(self) -> Money:
        """The price of the whole stay."""
        return Money(self.amount_minor, self.currency)

    @property
    def cancellation_policy(self) -> CancellationPolicy:
        """The hotel's policy, as it stood when the booking was made."""
        return CancellationPolicy(self.free_cancel_days, self.late_cancel_fee_percent)

    @property
    def cancellation_terms(self) -> CancellationTerms:
        """The end of free cancellation, in the time zone at booking time, and the fee after it."""
        return self.cancellation_policy.for_stay(self.check_in, self.check_in_hour, self.timezone)

    @property
    def check_in_at(self) -> datetime:
        """The start of the stay, in the time zone at booking time."""
        return local_hour(self.check_in, self.check_in_hour, self.timezone)

    @property
    def check_out_at(self) -> datetime:
        """The end of the stay's last night: 00:00 at the hotel on the day of check-out."""
        return midnight(self.check_out, self.timezone)

    @property
    def reason_code_for_guest(self) -> str | None:
        """The reason code that the guest reads: a suspicion of fraud is unproven, and not theirs to read."""
        return ReasonCode.OTHER if self.reason_code == ReasonCode.SUSPECTED_FRAUD else self.reason_code

    @property
    def told_reason(self) -> ReasonCode | None:
        """The reason for people: if the system released the hold before its end, the hold did not end by itself."""
        code = ReasonCode(self.reason_code) if self.reason_code else None
        if code is ReasonCode.AUTHORIZATION_EXPIRED and self.decision_made_by == ActorKind.SYSTEM:
            return ReasonCode.APPROVAL_TIMEOUT
        return code


class BookingTimeline(SQLModel, table=True):
    """One row per version of a booking: what happened, when, by whom."""

    __tablename__ = "booking_timeline"

    booking_id: str = Field(foreign_key="booking.booking_id", primary_key=True, max_length=40)
    version: int = Field(primary_key=True)
    at: datetime = Field(sa_column=instant_column())
    from_status: str | None = Field(default=None, max_length=20)
    to_status: str = Field(max_length=20)
    event: str = Field(max_length=40)
    actor: str = Field(max_length=320)
    run_id: str = Field(default="", max_length=64)
    """The workflow run that wrote it; empty for a creation."""


class BookingAttention(SQLModel, table=True):
    """An open reason why a booking needs attention; `Booking.needs_attention` says whether there is one."""

    __tablename__ = "booking_attention"

    booking_id: str = Field(foreign_key="booking.booking_id", primary_key=True, max_length=40)
    code: str = Field(primary_key=True, max_length=40)
    subject: str = Field(primary_key=True, max_length=255)
    detail: str = Field(max_length=500)
    since: datetime = Field(sa_column=instant_column())


class BookingCommand(SQLModel, table=True):
    """A command and its outcome. The note stays here: the signal carries the id alone.

    `status_when_issued` is the booking's status as it was shown to the person who issued the command;
    `refund_minor` is the total refund that a manager who cancels has chosen.
    """

    __tablename__ = "booking_command"
    __table_args__ = (Index("booking_command_booking", "booking_id", "created_at"),)

    command_id: str = Field(primary_key=True, max_length=40)
    booking_id: str = Field(foreign_key="booking.booking_id", max_length=40)
    kind: str = Field(max_length=20)
    actor: str = Field(max_length=320)
    reason_code: str | None = Field(default=None, max_length=40)
    reason_note: str | None = Field(default=None, max_length=1000)
    refund_minor: int | None = Field(default=None, sa_type=BigInteger)
    status_when_issued: str | None = Field(default=None, max_length=20)
    created_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())
    closed_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    outcome: str | None = Field(default=None, max_length=40)


class PaymentSession(SQLModel, table=True):
    """A Checkout session that was opened for a booking, and the code with which its guest returns."""

    __tablename__ = "payment_session"

    session_id: str = Field(primary_key=True, max_length=255)
    booking_id: str = Field(foreign_key="booking.booking_id", index=True, max_length=40)
    url: str = Field(max_length=2000)
    return_code_hash: str | None = Field(default=None, max_length=64)
    return_code_used_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    expires_at: datetime = Field(sa_column=instant_column())
    created_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())


class ReturnAddresses(SQLModel, table=True):
    """A payment page's return addresses, as the caller gave them. They may contain tokens: workflows carry the id."""

    __tablename__ = "return_addresses"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    booking_id: str = Field(foreign_key="booking.booking_id", index=True, max_length=40)
    success_url: str | None = Field(default=None, max_length=2000)
    cancel_url: str | None = Field(default=None, max_length=2000)


class StripeWebhookEvent(SQLModel, table=True):
    """The inbox: every event answered 2xx, with the time it was processed or the reason why it was not."""

    __tablename__ = "stripe_webhook_event"
    __table_args__ = (
        Index("stripe_webhook_event_open", "received_at", postgresql_where="processed_at is null"),
    )

    event_id: str = Field(primary_key=True, max_length=255)
    event_type: str = Field(max_length=100)
    booking_id: str | None = Field(default=None, max_length=40, index=True)
    session_id: str | None = Field(default=None, max_length=255)
    payment_intent_id: str | None = Field(default=None, max_length=255)
    received_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())
    processed_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    note: str | None = Field(default=None, max_length=200)


class SentMail(SQLModel, table=True):
    """One row per e-mail: marked before the hand-over to SMTP and after SMTP accepted it."""

    __tablename__ = "sent_mail"
    __table_args__ = (
        Index("sent_mail_unsent", "sending_at", postgresql_where="sent_at is null"),
        # Not unique: two workers that claim one mail meet on its key alone, and neither fails.
        Index("sent_mail_message", "message_id"),
    )

    booking_id: str = Field(primary_key=True, foreign_key="booking.booking_id", max_length=40)
    kind: str = Field(primary_key=True, max_length=40)
    version: int = Field(primary_key=True)
    recipient: str = Field(primary_key=True, max_length=320)
    message_id: str = Field(max_length=300)
    subject: str = Field(max_length=300)
    sending_at: datetime = Field(sa_column=instant_column())
    sent_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
