"""Prints a booking for an operator. Of the guest it shows only enough to tell two bookings apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.booking import STAFF_MAILS, Status
from domain.erasure import RECIPIENT
from domain.identifiers import payment_in_dashboard
from domain.money import Money
from management.account import BookingRows, Workflow
from management.advice import next_steps
from models import Hotel, RoomType
from reconciliation.findings import WorkflowState
from storage.attention import as_attention
from storage.owed import owed_minor
from wording.disputes import dispute_lines

_WIDE: Final = 140


def console() -> Console:
    """The console for tables; without a terminal it is as wide as the table needs."""
    found = Console(markup=False, highlight=False, emoji=False, soft_wrap=False)
    if not found.is_terminal:
        found.width = _WIDE
    return found


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of plain text: Rich must not read input of guests or staff as mark-up."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in columns:
        made.add_column(name, header_style="dim", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def room_type_table(hotel: Hotel, room_types: Iterable[RoomType]) -> Table:
    """A hotel's room types with their prices."""
    columns = ("Code", "Name", f"Price per night ({hotel.currency})", "Max. guests", "Rooms")
    rows = [
        (
            each.code,
            each.name,
            str(Money(each.price_per_night_minor, hotel.currency)),
            str(each.max_guests),
            str(each.rooms),
        )
        for each in room_types
    ]
    return table(f"Room types of {hotel.slug}", columns, rows)


def show(
    out: Console,
    rows: BookingRows,
    workflow: Workflow | str,
    *,
    livemode: bool,
    ui: str | None,
    now: datetime,
) -> None:
    """Print all data on a booking.

    Args:
        livemode: whether its payments are in Stripe's live mode.
        ui: the URL of its workflow in the Temporal UI, if there is a UI.
    """
    out.print(Text(f"Booking {rows.booking.booking_id}", style="bold"))
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for label, value in _facts(rows, workflow, livemode=livemode, ui=ui, now=now):
        facts.add_row(label, Text(value))
    out.print(facts)
    for made in _tables(rows):
        out.print()
        out.print(made)
    out.print()
    out.print(Text("What to do", style="bold"))
    for step in next_steps(rows, workflow, now):
        out.print(Text(f"- {step}"))


def instant(at: datetime | None) -> str:
    """A time to the second, in UTC; a dash for none."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "–"


def _facts(
    rows: BookingRows, workflow: Workflow | str, *, livemode: bool, ui: str | None, now: datetime
) -> Iterator[tuple[str, str]]:
    booking, hotel = rows.booking, rows.hotel
    yield "Hotel", f"{hotel.slug}, {rows.room_type.code}, {booking.check_in} to {booking.check_out}"
    yield "Guest", _guest(rows)
    yield "Status", _status(rows)
    for row in rows.attention:
        yield (
            "Needs attention",
            f"{row.code}, since {instant(row.since)} UTC: {as_attention(row).text or '–'}",
        )
    yield "Money", _money(rows)
    if booking.payment_intent_id:
        page = payment_in_dashboard(booking.payment_intent_id, livemode=livemode)
        yield "Payment", f"{booking.payment_intent_id}  {page}"
    for each in rows.disputes:
        words = dispute_lines(each, booking.timezone, now)
        facts = "; ".join(f"{label}: {value}" for label, value in words.facts)
        yield "Dispute", f"{each.dispute_id}  {facts}. {words.to_do}"
    if booking.decision_deadline and booking.status == Status.PENDING_APPROVAL:
        yield "Decision deadline", _deadline(booking.decision_deadline, now)
    yield "Workflow", _workflow(workflow)
    if ui:
        yield "", ui
    if isinstance(workflow, Workflow) and workflow.payment_workflows:
        yield "Unmatched payments", ", ".join(workflow.payment_workflows)


def _guest(rows: BookingRows) -> str:
    booking = rows.booking
    if booking.guest_erased_at:
        return f"erased on {instant(booking.guest_erased_at)} UTC"
    return _masked(booking.guest_email)


def _masked(address: str) -> str:
    """Mask an address; its domain stays, so that a typing error can be told from a broken mail server."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}"


def _status(rows: BookingRows) -> str:
    booking = rows.booking
    reason = f", {booking.reason_code}" if booking.reason_code else ""
    note = f", with a note of {len(booking.reason_note)} characters" if booking.reason_note else ""
    by = f", decided by {booking.decision_made_by}" if booking.decision_made_by else ""
    return f"{booking.status}{reason}{note}{by}, version {booking.version}"


def _money(rows: BookingRows) -> str:
    booking = rows.booking
    total, captured, refunded = (
        Money(minor, booking.currency)
        for minor in (booking.amount_minor, booking.amount_captured_minor, booking.amount_refunded_minor)
    )
    elsewhere, owed = (
        f", {Money(minor, booking.currency)} {what}" if minor else ""
        for minor, what in (
            (booking.amount_paid_elsewhere_minor, "paid elsewhere"),
            (owed_minor(booking), "still owed"),
        )
    )
    held = "held, " if booking.status == Status.PENDING_APPROVAL else ""
    return f"{total} {booking.currency}: {held}{captured} captured, {refunded} refunded{elsewhere}{owed}"


def _deadline(deadline: datetime, now: datetime) -> str:
    left = deadline - now
    hours, minutes = divmod(int(abs(left.total_seconds())) // 60, 60)
    when = f"in {hours} h {minutes} min" if left.total_seconds() > 0 else f"{hours} h {minutes} min ago"
    return f"{instant(deadline)} UTC, {when}"


def _workflow(workflow: Workflow | str) -> str:
    if isinstance(workflow, str):
        return workflow
    if workflow.account is None:
        silent = ", and does not answer" if workflow.state is WorkflowState.RUNNING else ""
        return f"{workflow.state}{silent}"
    account = workflow.account
    deciding = f", carrying out: {account.pending_decision}" if account.pending_decision else ""
    return f"running: {account.status}, version {account.version}, waits for {account.waiting_for}{deciding}"


def _tables(rows: BookingRows) -> Iterator[Table]:
    yield table(
        "Timeline (UTC)",
        ("version", "at", "status", "event", "by"),
        ((str(row.version), instant(row.at), row.to_status, row.event, row.actor) for row in rows.timeline),
    )
    if rows.commands:
        yield table(
            "Commands (UTC)",
            ("at", "command", "by", "reason", "outcome"),
            (
                (
                    instant(row.created_at),
                    row.kind,
                    row.actor,
                    row.reason_code or "–",
                    f"{row.outcome}, {instant(row.closed_at)}" if row.closed_at else "not yet",
                )
                for row in rows.commands
            ),
        )
    if rows.sessions:
        yield table(
            "Payment pages (UTC)",
            ("opened", "lapses", "session"),
            ((instant(row.created_at), instant(row.expires_at), row.session_id) for row in rows.sessions),
        )
    if rows.mails:
        yield table(
            "E-mails (UTC)",
            ("version", "what", "to", "sent"),
            (
                (str(row.version), row.kind, _to(row.kind, row.recipient), instant(row.sent_at))
                for row in rows.mails
            ),
        )


def _to(kind: str, recipient: str) -> str:
    return recipient if kind in STAFF_MAILS or recipient == RECIPIENT else _masked(recipient)
