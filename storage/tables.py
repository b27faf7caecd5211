"""Tables of rooms' nights, of held cards, of disputes, of money movements, and of the product's own upkeep.

Upkeep: repeated requests, limits, runs and their findings.
The tables of hotels, staff and bookings are in `models.py`.
"""

from __future__ import annotations

from datetime import date, datetime
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
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlmodel import Field, SQLModel

from models import instant_column, utc_now


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


class BookingSearch(SQLModel, table=True):
    """The folded words by which staff find a booking; not in its row, because that changes often and they do not."""

    __tablename__ = "booking_search"
    __table_args__ = (Index("booking_search_words", "words", postgresql_using="gin"),)

    row_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("booking.id", ondelete="CASCADE"), primary_key=True)
    )
    words: Any = Field(sa_column=Column(TSVECTOR, nullable=False))


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
    created_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())


class CardDetails(SQLModel, table=True):
    """A held card as Stripe described it when the hold was verified: `domain.payment_card.PaymentCard`.

    It stays out of workflow histories, and goes with the guest's data.
    """

    __tablename__ = "card_details"

    booking_id: str = Field(foreign_key="booking.booking_id", primary_key=True, max_length=40)
    payment_intent_id: str = Field(primary_key=True, max_length=255)
    brand: str | None = None
    last4: str | None = None
    funding: str | None = None
    country: str | None = None
    cvc_check: str | None = None
    postal_code_check: str | None = None
    three_d_secure: str | None = None
    wallet: str | None = None
    risk_level: str | None = None


class DisputeDetails(SQLModel, table=True):
    """A dispute as Stripe described it when an event last told of it: `domain.dispute.Dispute`."""

    __tablename__ = "dispute"
    __table_args__ = (Index("dispute_booking", "booking_id"),)

    dispute_id: str = Field(primary_key=True, max_length=255)
    booking_id: str = Field(foreign_key="booking.booking_id", max_length=40)
    payment_intent_id: str = Field(max_length=255)
    amount_minor: int = Field(sa_type=BigInteger)
    currency: str = Field(max_length=3)
    reason: str
    status: str
    opened_at: datetime = Field(sa_column=instant_column())
    evidence_due_by: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))


class MoneyMovement(SQLModel, table=True):
    """Money of a booking that moved, in the transaction that writes the booking's new amounts.

    `amount_minor` is negative where a movement is undone: a refund that the bank returned, say. The movements of a
    booking add up to the amounts of its row; of those paid elsewhere, to its own payment's.
    """

    __tablename__ = "money_movement"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0"),
        Index("money_movement_book", "hotel_id", "at", "id"),
        Index("money_movement_booking", "booking_id"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    hotel_id: int = Field(foreign_key="hotel.id")
    booking_id: str = Field(foreign_key="booking.booking_id", max_length=40)
    at: datetime = Field(sa_column=instant_column())
    kind: str = Field(max_length=20)
    amount_minor: int = Field(sa_type=BigInteger)
    currency: str = Field(max_length=3)


class StripeFee(SQLModel, table=True):
    """Stripe's fee for a captured payment, in the currency of the account's balance. It stays out of histories."""

    __tablename__ = "stripe_fee"

    booking_id: str = Field(foreign_key="booking.booking_id", primary_key=True, max_length=40)
    payment_intent_id: str = Field(primary_key=True, max_length=255)
    fee_minor: int = Field(sa_type=BigInteger)
    fee_currency: str = Field(max_length=3)


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
    locked_until: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    response: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    created_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())


class RateLimit(SQLModel, table=True):
    """Attempts counted per subject and window, in the database so that all API processes agree."""

    __tablename__ = "rate_limit"
    __table_args__ = (Index("rate_limit_age", "began_at"),)

    subject: str = Field(primary_key=True, max_length=400)
    began_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    attempts: int = 0


class DailyMail(SQLModel, table=True):
    """The latest e-mail of the kind that a mailbox receives once a day at most; the mailbox is hashed."""

    __tablename__ = "daily_mail"
    __table_args__ = (Index("daily_mail_age", "sent_at"),)

    mailbox_hash: str = Field(primary_key=True, max_length=64)
    booking_id: str = Field(max_length=40)
    sent_at: datetime = Field(sa_column=instant_column())


class PeriodicJob(SQLModel, table=True):
    """When a job on a Schedule last completed all of its steps."""

    __tablename__ = "periodic_job"

    job: str = Field(primary_key=True, max_length=20)
    completed_at: datetime = Field(sa_column=instant_column())


class ReconciliationRun(SQLModel, table=True):
    """One comparison of Stripe, database and workflows: its time, its scope and its result."""

    __tablename__ = "reconciliation_run"
    __table_args__ = (Index("reconciliation_run_newest", "started_at"),)

    run_id: str = Field(primary_key=True, max_length=64)
    started_by: str = Field(max_length=20)
    started_at: datetime = Field(sa_column=instant_column())
    finished_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))
    since: datetime = Field(sa_column=instant_column())
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
    found_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())
