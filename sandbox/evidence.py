"""Collects evidence of a run from outside: bookings, Stripe's ledger, messages, mails, histories.

The sources are external: the product's API or its database by address, the stand-ins' control APIs, and Temporal's
command line. Nothing of the product is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from sandbox.rooms import NIGHTS_QUERY, Nights, nights_of

Json = dict[str, Any]

_ZERO_DECIMAL: Final = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split()
)
_STRIPE_TIMES_100: Final = frozenset({"ISK", "UGX"})


def minor(amount: str, currency: str) -> int:
    """A decimal string of the API, in the currency's smallest unit."""
    return int(Decimal(amount).scaleb(0 if currency in _ZERO_DECIMAL else 2))


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's integer, in the currency's smallest unit."""
    return amount // 100 if currency.upper() in _STRIPE_TIMES_100 else amount


@dataclass(frozen=True)
class TimelineEvidence:
    """One row of a booking's timeline."""

    version: int
    at: datetime
    before: str | None
    to: str
    event: str
    actor: str


@dataclass(frozen=True)
class Policy:
    """A late cancellation's policy."""

    free_cancel_days: int
    late_cancel_fee_percent: int
    timezone: str
    check_in_hour: int = 15

    def fee_minor(self, amount_minor: int, check_in: date, cancelled_at: datetime) -> int:
        """The fee on `amount_minor`, computed independently from the policy's definition."""
        last_free_day = check_in - timedelta(days=self.free_cancel_days)
        hour = 0 if self.free_cancel_days else self.check_in_hour
        free_until = datetime.combine(last_free_day, time(hour), ZoneInfo(self.timezone))
        return 0 if cancelled_at < free_until else amount_minor * self.late_cancel_fee_percent // 100


@dataclass(frozen=True)
class BookingEvidence:
    """A booking as the product reports it. Amounts are in the currency's smallest unit.

    Args:
        private: texts about the guest, and notes, that must never leave the product's own database.
        policy: None if unknown; then the ledger's fee is accepted.
        cancel_asked_at: time of the command behind the cancellation, or of one before it that was withdrawn; None if
            unknown.
        chosen_refund_minor: the total refund that a manager who cancelled chose; None if none did.
        guest_cancelled_in: the status in which the guest cancelled; None if staff did, or if unknown.
        payment_deadline: end of the payment window; None if unknown.
        open_decisions: decisions without an outcome.
        paid_elsewhere_minor: what people say that they paid the guest outside Stripe.
        own_paid_elsewhere_minor: the part of it that replaces a refund of its own payment; 0 if unknown.
        attention_subjects: what its open reasons are about, payments among them; None if that is not known.
        room_type_id, check_out: None if unknown; then its rooms are not checked.
        moved_minor: sums of its money movements: captured, refunded, paid elsewhere; None if unknown.
    """

    booking_id: str
    hotel: str
    status: str
    version: int
    currency: str
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    payment_intent_id: str | None
    needs_attention: bool
    pending_decision: str | None
    decision_deadline: datetime | None
    check_in: date
    guest_email: str
    private: tuple[str, ...]
    timeline: tuple[TimelineEvidence, ...]
    policy: Policy | None = None
    cancel_asked_at: datetime | None = None
    guest_cancelled_in: str | None = None
    chosen_refund_minor: int | None = None
    payment_deadline: datetime | None = None
    open_decisions: tuple[str, ...] = ()
    paid_elsewhere_minor: int = 0
    own_paid_elsewhere_minor: int = 0
    attention_subjects: tuple[str, ...] | None = None
    room_type_id: int | None = None
    check_out: date | None = None
    moved_minor: tuple[int, int, int] | None = None

    @property
    def deadline(self) -> datetime | None:
        """The time at which the booking's status ends by itself, if it does."""
        deadlines = {"PENDING_PAYMENT": self.payment_deadline, "PENDING_APPROVAL": self.decision_deadline}
        return deadlines.get(self.status)

    def has_been(self, status: str) -> bool:
        """Whether the booking ever was in `status`."""
        return any(step.to == status for step in self.timeline)


@dataclass(frozen=True)
class DecisionReply:
    """The reply to a decision. `settled` promises that the decision is final."""

    booking_id: str
    decision: str
    settled: bool


@dataclass(frozen=True)
class Evidence:
    """The evidence of a run. A source that was not collected is None, and is not checked.

    Args:
        ledger: the Stripe stand-in's `/_sandbox/ledger`.
        messages: the Pusher stand-in's `/_sandbox/messages`.
        mails: the mail catcher's `/_sandbox/messages`.
        answers: replies to decisions.
        workflows: status by workflow id.
        histories: a workflow's whole history as text, by workflow id, payloads decoded.
        inbox: rows of the webhook inbox.
        nights: of every room type, those on which a room is or was claimed or blocked.
        delivered: ids of the events that the product answered 2xx.
        logs: the product's logs, by part.
        secrets: texts that no channel may contain.
    """

    bookings: Sequence[BookingEvidence]
    ledger: Json
    messages: Sequence[Json]
    mails: Sequence[Json]
    answers: Sequence[DecisionReply] = ()
    workflows: Mapping[str, str] | None = None
    histories: Mapping[str, str] | None = None
    inbox: Sequence[Json] | None = None
    nights: Nights | None = None
    delivered: Sequence[str] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()


# --- bookings ------------------------------------------------------------------------------------------


def booking_from_api(booking: Json, row: BookingEvidence) -> BookingEvidence:
    """Read a booking from the API's answer; `row` supplies the fields that the API does not show."""
    guest, currency = booking["guest"], booking["currency"]
    private = (*guest.values(), booking["special_requests"], booking["reason_note"])
    return BookingEvidence(
        booking_id=booking["booking_id"],
        hotel=booking["hotel"],
        status=booking["status"],
        version=booking["version"],
        currency=currency,
        amount_minor=minor(booking["amount"], currency),
        captured_minor=minor(booking["amount_captured"], currency),
        refunded_minor=minor(booking["amount_refunded"], currency),
        paid_elsewhere_minor=minor(booking["amount_paid_elsewhere"], currency),
        payment_intent_id=booking["payment_intent_id"],
        needs_attention=bool(booking["needs_attention"]),
        pending_decision=booking["pending_decision"],
        decision_deadline=_moment(booking["decision_deadline"]),
        check_in=date.fromisoformat(booking["check_in"]),
        guest_email=guest["email"],
        private=tuple(word for word in private if word),
        timeline=tuple(
            TimelineEvidence(
                version=row["version"],
                at=datetime.fromisoformat(row["at"]),
                before=row["from"],
                to=row["to"],
                event=row["event"],
                actor=row["actor"],
            )
            for row in booking["timeline"]
        ),
        policy=row.policy,
        chosen_refund_minor=row.chosen_refund_minor,
        payment_deadline=row.payment_deadline,
        open_decisions=row.open_decisions,
        room_type_id=row.room_type_id,
        check_out=date.fromisoformat(booking["check_out"]),
    )


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


_BOOKINGS = """
    SELECT b.*, h.slug,
        ARRAY(SELECT a.subject FROM booking_attention a WHERE a.booking_id = b.booking_id) AS attention_subjects,
        ARRAY(SELECT c.kind FROM booking_command c WHERE c.booking_id = b.booking_id AND c.closed_at IS NULL
            AND c.kind IN ('approve', 'decline', 'cancel') ORDER BY c.created_at) AS open_decisions,
        least(b.cancellation_counts_from, (SELECT min(c.created_at) FROM booking_command c
            WHERE c.booking_id = b.booking_id AND c.kind = 'cancel' AND c.outcome = 'settled')) AS cancel_asked_at,
        (SELECT min(c.status_when_issued) FROM booking_command c
            JOIN booking_timeline t ON t.booking_id = c.booking_id
            AND t.at = c.closed_at AND t.event = 'cancelled_by_guest'
            WHERE c.booking_id = b.booking_id AND c.kind = 'cancel') AS guest_cancelled_in,
        (SELECT min(coalesce(c.refund_minor, b.amount_minor)) FROM booking_command c
            JOIN booking_timeline t ON t.booking_id = c.booking_id
            AND t.at = c.closed_at AND t.event = 'cancelled_by_staff'
            WHERE c.booking_id = b.booking_id AND c.kind = 'cancel') AS chosen_refund_minor,
        ARRAY(SELECT coalesce(sum(m.amount_minor), 0)::bigint FROM unnest(ARRAY['captured', 'refunded',
            'paid_elsewhere']) WITH ORDINALITY AS of (kind, place)
            LEFT JOIN money_movement m ON m.kind = of.kind AND m.booking_id = b.booking_id
            GROUP BY of.place ORDER BY of.place) AS moved_minor,
        coalesce((b.paid_elsewhere ->> b.payment_intent_id)::bigint, 0) AS own_paid_elsewhere_minor
    FROM booking b JOIN hotel h ON h.id = b.hotel_id ORDER BY b.id
"""
_STEPS = "SELECT * FROM booking_timeline ORDER BY booking_id, version"


async def read_database(database_url: str) -> tuple[list[BookingEvidence], list[Json], Nights]:
    """Read every booking, every row of the webhook inbox, and every night of a room type."""
    engine = create_async_engine(make_url(database_url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as plain:
            # One database snapshot, so that a booking and its timeline are of the same moment.
            return await read_rows(await plain.execution_options(isolation_level="REPEATABLE READ"))
    finally:
        await engine.dispose()


async def read_rows(connection: AsyncConnection) -> tuple[list[BookingEvidence], list[Json], Nights]:
    """The same over an open connection, for a caller that reads often."""
    rows = (await connection.execute(text(_BOOKINGS))).mappings().all()
    steps = (await connection.execute(text(_STEPS))).mappings().all()
    inbox = (await connection.execute(text("SELECT * FROM stripe_webhook_event"))).mappings().all()
    nights = (await connection.execute(text(NIGHTS_QUERY))).mappings().all()
    timelines: dict[str, list[TimelineEvidence]] = {}
    for step in steps:
        timelines.setdefault(step["booking_id"], []).append(_step(step))
    booking = [_from_row(row, timelines.get(row["booking_id"], [])) for row in rows]
    return booking, [dict(row) for row in inbox], nights_of(nights)


def _step(row: Mapping[Any, Any]) -> TimelineEvidence:
    return TimelineEvidence(
        version=row["version"],
        at=row["at"],
        before=row["from_status"],
        to=row["to_status"],
        event=row["event"],
        actor=row["actor"],
    )


def _from_row(row: Mapping[Any, Any], timeline: Iterable[TimelineEvidence]) -> BookingEvidence:
    private = "guest_first_name guest_last_name guest_email guest_phone special_requests reason_note".split()
    return BookingEvidence(
        booking_id=row["booking_id"],
        hotel=row["slug"],
        status=row["status"],
        version=row["version"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        captured_minor=row["amount_captured_minor"],
        refunded_minor=row["amount_refunded_minor"],
        paid_elsewhere_minor=row["amount_paid_elsewhere_minor"],
        own_paid_elsewhere_minor=row["own_paid_elsewhere_minor"],
        moved_minor=tuple(row["moved_minor"]),
        payment_intent_id=row["payment_intent_id"],
        needs_attention=row["needs_attention"],
        attention_subjects=tuple(row["attention_subjects"]),
        pending_decision=next(iter(row["open_decisions"]), None),
        decision_deadline=row["decision_deadline"],
        check_in=row["check_in"],
        guest_email=row["guest_email"],
        private=tuple(row[name] for name in private if row[name]),
        timeline=tuple(timeline),
        policy=Policy(
            row["free_cancel_days"], row["late_cancel_fee_percent"], row["timezone"], row["check_in_hour"]
        ),
        cancel_asked_at=row["cancel_asked_at"],
        guest_cancelled_in=row["guest_cancelled_in"],
        chosen_refund_minor=row["chosen_refund_minor"],
        payment_deadline=row["payment_deadline"],
        open_decisions=tuple(row["open_decisions"]),
        room_type_id=row["room_type_id"],
        check_out=row["check_out"],
    )


# --- the stand-ins ---------------------------------------------------------------------------------------


async def read_sandbox(client: httpx.AsyncClient, stand_in: str, what: str, **query: str) -> Any:
    """Read from a stand-in's control API, such as `ledger` or `messages`.

    Args:
        stand_in: its base URL.
        what: the path below `/_sandbox/`.
    """
    response = await client.get(f"{stand_in}/_sandbox/{what}", params=query)
    return response.raise_for_status().json()


async def delivered_events(client: httpx.AsyncClient, stripe: str) -> list[str]:
    """Ids of the last 10,000 events whose webhook was answered 2xx.

    Read this before the inbox: an event that arrives in between is then in the inbox and not reported as lost.
    """
    answer = await read_sandbox(client, stripe, "webhooks", limit="10000")
    return [row["event_id"] for row in answer["deliveries"] if row["state"] == "delivered"]
