"""Tables. Money is an integer in minor units; every time is timezone-aware.

A booking's row is a projection: once submitted, only its workflow's activities write it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from domain.booking import ActorKind, ReasonCode, Status
from domain.cancellation import CancellationPolicy, CancellationTerms
from domain.deadlines import local_hour, midnight
from domain.money import Money


def utc_now() -> datetime:
    """The present time, for columns that record when a row was written."""
    return datetime.now(UTC)


def _instant(*, nullable: bool = False) -> Any:
    # A fresh Column for each use: a Column belongs to one table only.
    return Column(DateTime(timezone=True), nullable=nullable)


class Hotel(SQLModel, table=True):
    """A hotel and the terms it offers."""

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


class RoomNight(SQLModel, table=True):
    """A room type's night as soon as a room of it is claimed or blocked.

    `capacity` repeats what may be claimed or blocked in all, rooms and the hotel's allowance, so that PostgreSQL itself
    refuses one more. Captured money beyond it is the only exception: `beyond` counts such claims.
    """

    __tablename__ = "room_night"
    __table_args__ = (
        CheckConstraint("claimed + blocked <= capacity + beyond", name="room_night_within_capacity"),
        CheckConstraint("claimed >= 0 and blocked >= 0 and beyond >= 0", name="room_night_counts"),
    )

    room_type_id: int = Field(foreign_key="room_type.id", primary_key=True)
    night: date = Field(primary_key=True)
    capacity: int
    claimed: int = 0
    blocked: int = 0
    beyond: int = 0


class RoomClaim(SQLModel, table=True):
    """A booking's claim to one room for one night, from its hold to its end."""

    __tablename__ = "room_claim"
    __table_args__ = (
        ForeignKeyConstraint(
            ["room_type_id", "night"],
            ["room_night.room_type_id", "room_night.night"],
            name="room_claim_night",
        ),
        Index("room_claim_night", "room_type_id", "night"),
    )

    booking_id: str = Field(foreign_key="booking.booking_id", primary_key=True, max_length=40)
    night: date = Field(primary_key=True)
    room_type_id: int
    is_beyond: bool = False


class RoomBlock(SQLModel, table=True):
    """Rooms that are out of service or sold elsewhere, from the first night to the day after the last."""

    __tablename__ = "room_block"
    __table_args__ = (
        UniqueConstraint("room_type_id", "first_night", "end_day"),
        CheckConstraint("rooms > 0"),
        CheckConstraint("end_day > first_night"),
    )

    id: int | None = Field(default=None, primary_key=True)
    room_type_id: int = Field(foreign_key="room_type.id")
    first_night: date
    end_day: date
    rooms: int
    note: str | None = Field(default=None, max_length=200)
    created_at: datetime = Field(default_factory=utc_now, sa_column=_instant())


class Staff(SQLModel, table=True):
    """A person who works for one hotel.

    `credentials_version` is part of each token they log in with; raising it ends all their sessions.
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
        Index("booking_deadline", "hotel_id", "decision_deadline", "id"),
        Index("booking_newest", "hotel_id", "created_at", "id"),
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
    refund_due_minor: int | None = Field(default=None, sa_type=BigInteger)
    currency: str = Field(max_length=3)
    timezone: str = Field(max_length=64)
    check_in_hour: int
    check_out_hour: int
    approval_sla_s: int
    payment_window_s: int
    cutoff_at: datetime = Field(sa_column=_instant())
    free_cancel_days: int
    late_cancel_fee_percent: int
    cancellation_counts_from: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    status: str = Field(default=Status.DRAFT, max_length=20)
    reason_code: str | None = Field(default=None, max_length=40)
    reason_note: str | None = Field(default=None, max_length=1000)
    payment_deadline: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    decision_deadline: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    needs_attention: bool = False
    payment_provider: str | None = Field(default=None, max_length=20)
    payment_reference: str | None = Field(default=None, max_length=255)
    payment_intent_id: str | None = Field(default=None, max_length=255, unique=True)
    payment_authorized_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    sold_out_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    paid_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    decision_made_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    decision_made_by: str | None = Field(default=None, max_length=320)
    guest_erased_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    version: int = 1
    created_at: datetime = Field(default_factory=utc_now, sa_column=_instant())
    updated_at: datetime = Field(default_factory=utc_now, sa_column=_instant())

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
    at: datetime = Field(sa_column=_instant())
    from_status: str | None = Field(default=None, max_length=20)
    to_status: str = Field(max_length=20)
    event: str = Field(max_length=40)
    actor: str = Field(max_length=320)


class BookingAttention(SQLModel, table=True):
    """An open reason why a booking needs a person; `Booking.needs_attention` says whether there is one."""

    __tablename__ = "booking_attention"

    booking_id: str = Field(foreign_key="booking.booking_id", primary_key=True, max_length=40)
    code: str = Field(primary_key=True, max_length=40)
    subject: str = Field(primary_key=True, max_length=255)
    detail: str = Field(max_length=500)
    since: datetime = Field(sa_column=_instant())


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
    created_at: datetime = Field(default_factory=utc_now, sa_column=_instant())
    closed_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    outcome: str | None = Field(default=None, max_length=40)


class PaymentSession(SQLModel, table=True):
    """A Checkout session that was opened for a booking, and the code with which its guest returns."""

    __tablename__ = "payment_session"

    session_id: str = Field(primary_key=True, max_length=255)
    booking_id: str = Field(foreign_key="booking.booking_id", index=True, max_length=40)
    url: str = Field(max_length=2000)
    return_code_hash: str | None = Field(default=None, max_length=64)
    return_code_used_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    expires_at: datetime = Field(sa_column=_instant())
    created_at: datetime = Field(default_factory=utc_now, sa_column=_instant())


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
    received_at: datetime = Field(default_factory=utc_now, sa_column=_instant())
    processed_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    note: str | None = Field(default=None, max_length=200)


class SentMail(SQLModel, table=True):
    """One row per e-mail: marked before the hand-over to SMTP and after SMTP accepted it."""

    __tablename__ = "sent_mail"
    __table_args__ = (
        UniqueConstraint("booking_id", "kind", "version", "recipient"),
        Index("sent_mail_unsent", "sending_at", postgresql_where="sent_at is null"),
    )

    message_id: str = Field(primary_key=True, max_length=300)
    booking_id: str = Field(foreign_key="booking.booking_id", max_length=40)
    kind: str = Field(max_length=40)
    version: int
    recipient: str = Field(max_length=320)
    subject: str = Field(max_length=300)
    sending_at: datetime = Field(sa_column=_instant())
    sent_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))


class IdempotentRequest(SQLModel, table=True):
    """A creation under an Idempotency-Key; `response` is empty while the first request is under way."""

    __tablename__ = "idempotent_request"
    __table_args__ = (Index("idempotent_request_age", "created_at"),)

    hotel_id: int = Field(foreign_key="hotel.id", primary_key=True)
    key: str = Field(primary_key=True, max_length=255)
    body_hash: str = Field(max_length=64)
    booking_id: str = Field(
        sa_column=Column(ForeignKey("booking.booking_id", ondelete="CASCADE"), nullable=False, index=True)
    )
    locked_until: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    response: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    created_at: datetime = Field(default_factory=utc_now, sa_column=_instant())


class RateLimit(SQLModel, table=True):
    """Attempts counted per subject and window, in the database so that all API processes agree."""

    __tablename__ = "rate_limit"
    __table_args__ = (Index("rate_limit_age", "began_at"),)

    subject: str = Field(primary_key=True, max_length=400)
    began_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    attempts: int = 0


class PeriodicJob(SQLModel, table=True):
    """When a job on a Schedule last completed all of its steps."""

    __tablename__ = "periodic_job"

    job: str = Field(primary_key=True, max_length=20)
    completed_at: datetime = Field(sa_column=_instant())


class ReconciliationRun(SQLModel, table=True):
    """One comparison of Stripe, database and workflows: its time, its scope and its result."""

    __tablename__ = "reconciliation_run"
    __table_args__ = (Index("reconciliation_run_newest", "started_at"),)

    run_id: str = Field(primary_key=True, max_length=64)
    started_by: str = Field(max_length=20)
    started_at: datetime = Field(sa_column=_instant())
    finished_at: datetime | None = Field(default=None, sa_column=_instant(nullable=True))
    since: datetime = Field(sa_column=_instant())
    dry_run: bool = False
    bookings: int = 0
    payments: int = 0
    open_pages: int = 0
    events: int = 0
    healed: int = 0
    planned: int = 0
    left_open: int = 0
    through: int = Field(default=0, sa_type=BigInteger)
    complete: bool = False


class ReconciliationFinding(SQLModel, table=True):
    """A finding of a run. It has no foreign key to a booking: a payment may name a booking that does not exist."""

    __tablename__ = "reconciliation_finding"
    __table_args__ = (
        UniqueConstraint("run_id", "kind", "booking_id", "subject"),
        Index("reconciliation_finding_booking", "booking_id", "found_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    run_id: str = Field(
        sa_column=Column(ForeignKey("reconciliation_run.run_id", ondelete="CASCADE"), nullable=False)
    )
    kind: str = Field(max_length=40)
    booking_id: str = Field(max_length=40)
    subject: str = Field(default="", max_length=255)
    status: str = Field(default="", max_length=20)
    remedy: str = Field(max_length=40)
    outcome: str = Field(max_length=20)
    detail: str = Field(default="", max_length=500)
    reported: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    found_at: datetime = Field(default_factory=utc_now, sa_column=_instant())
