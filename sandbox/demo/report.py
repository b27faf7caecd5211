"""Prints the scenarios for a hotelier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sandbox.demo.scenarios import DemoScenario
from sandbox.evidence import Json
from sandbox.invariants import InvariantResult
from sandbox.stripe.money import shown

_WIDTH_WITHOUT_TERMINAL: Final = 110

EVENT_WORDS: Final = {
    "created": "the guest chose a room",
    "submitted": "booking sent; waiting for the guest's payment",
    "authorized": "card held, not charged; waiting for the hotel's decision",
    "payment_window_closed": "nobody paid in time; the payment page is closed",
    "approved": "approved; the hold was captured",
    "declined": "declined by the hotel; the hold was released",
    "approval_timed_out": "nobody decided in time; the hold was released",
    "authorization_lost": "the hold ended before a decision: nothing is held now",
    "captured_outside": "captured in the Stripe Dashboard",
    "capture_mismatched": "another amount was captured in the Stripe Dashboard; it was refunded",
    "cancelled_by_guest": "cancelled by the guest",
    "cancelled_by_staff": "cancelled by the hotel",
    "refund_recorded": "a refund was recorded",
    "dispute_recorded": "the guest's bank disputes the payment",
    "unmatched_payment_returned": "an unmatched payment was returned",
    "sold_out": "no room was left; the hold was released",
    "refund_returned": "the guest's bank returned a refund: it is owed again",
    "paid_elsewhere": "the hotel paid the guest outside Stripe",
    "cancellation_withdrawn": "the hotel withdrew the guest's cancellation",
    "attention_needed": "needs attention",
    "attention_cleared": "a reason for attention was cleared",
}
_STATUS_STYLE: Final = {
    "CONFIRMED": "bold green",
    "DECLINED": "bold red",
    "EXPIRED": "bold yellow",
    "CANCELLED": "bold magenta",
}


@dataclass(frozen=True)
class ScenarioReport:
    """One booking with all its evidence."""

    scenario: DemoScenario
    problem: str | None
    booking: Json
    timezone: str
    ledger: Json
    mails: Sequence[Json]
    messages: Sequence[Json]

    @property
    def ended_well(self) -> bool:
        """Whether the booking has the scenario's expected end."""
        expected = self.scenario.expected
        return self.problem is None and (self.booking["status"], self.booking["reason_code"]) == (
            expected.status,
            expected.reason_code,
        )


def console() -> Console:
    """A console for standard output; without a terminal it writes plain text of a fixed width."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)


def print_report(out: Console, report: ScenarioReport) -> None:
    """Print one scenario."""
    booking, guest = report.booking, report.booking["guest"]
    summary = (
        f"{guest['first_name']} {guest['last_name']}, {booking['room_type']} at {booking['hotel']}, "
        f"{booking['check_in']} to {booking['check_out']}, {_price(booking)}"
    )
    status = Text.assemble(
        (booking["status"], _STATUS_STYLE.get(booking["status"], "bold")),
        f"  {booking['reason_code']}" if booking["reason_code"] else "",
        "" if report.ended_well else "  (expected: " + report.scenario.expected.status + ")",
    )
    parts: list[RenderableType] = [Text(report.scenario.what, style="italic"), Text(summary), status]
    if report.problem:
        parts.append(Text(f"Problem: {report.problem}", style="red"))
    if booking["reason_note"]:
        parts.append(Text(f"The hotel wrote: “{booking['reason_note']}”"))
    parts += [
        _section(f"Timeline ({report.timezone})", _timeline(report)),
        _section("Money at Stripe", _money(report)),
    ]
    parts += [_section("E-mails", _mails(report)), _section("Realtime events", _events(report))]
    title = Text(f"{report.scenario.title}  ·  {booking['booking_id']}", style="bold")
    out.print(Panel(Group(*parts), title=title, title_align="left"))


def print_checks(out: Console, results: Sequence[InvariantResult], ends: tuple[int, int]) -> None:
    """Print the table of checks.

    Args:
        ends: the number of bookings with the expected end, and the number of all bookings.
    """
    table = Table(title="Checks", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("", "left"), ("Check", "left"), ("Items", "right"), ("", "left")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    table.add_row("–", "Each booking has the expected end", str(ends[1]), _mark(ends[0] == ends[1]))
    for result in results:
        looked_at = "–" if result.checked is None else str(result.checked)
        table.add_row(result.code, result.invariant, looked_at, _mark(result.holds))
    out.print(table)
    for result in results:
        for violation in result.violations:
            out.print(Text(f"{result.code}: {violation}", style="red"))


def _mark(holds: bool) -> Text:
    return Text("holds", style="green") if holds else Text("BROKEN", style="bold red")


def _price(booking: Json) -> str:
    return f"{booking['amount']} {booking['currency']}"


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(title, style="bold cyan"), Padding(body, (0, 0, 0, 2)))


def _rows(rows: Sequence[tuple[str, ...]]) -> RenderableType:
    if not rows:
        return Text("none")
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _local(at: str, timezone: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(ZoneInfo(timezone)):%H:%M:%S}"


def _timeline(report: ScenarioReport) -> RenderableType:
    return _rows(
        [
            (_local(row["at"], report.timezone), row["to"], EVENT_WORDS[row["event"]], f"by {row['actor']}")
            for row in report.booking["timeline"]
        ]
    )


def _money(report: ScenarioReport) -> RenderableType:
    rows = [_movement(intent) for intent in report.ledger["payment_intents"]]
    if not rows:
        sessions = [f"payment page {session['status']}" for session in report.ledger["sessions"]]
        rows = [("nothing held, nothing charged", ", ".join(sessions))]
    return _rows(rows)


def _movement(intent: Json) -> tuple[str, str]:
    currency = intent["currency"]
    steps = [f"held {shown(intent['amount'], currency)}"]
    if intent["amount_received"]:
        times = "once" if intent["captures"] == 1 else f"{intent['captures']} times"
        steps.append(f"captured {shown(intent['amount_received'], currency)} {times}")
    if intent["released"]:
        steps.append(f"released {shown(intent['released'], currency)}")
    if intent["refunded"]:
        steps.append(f"refunded {shown(intent['refunded'], currency)}")
    kept = shown(intent["amount_received"] - intent["refunded"], currency)
    return " → ".join(steps), f"the hotel keeps {kept}"


def _mails(report: ScenarioReport) -> RenderableType:
    rows = []
    for mail in report.mails:
        attached = "".join(f"  + {part['filename']}" for part in mail["attachments"])
        rows.append(
            (_local(mail["at"], report.timezone), mail["subject"] + attached, f"to {', '.join(mail['to'])}")
        )
    return _rows(rows)


def _events(report: ScenarioReport) -> RenderableType:
    rows: dict[tuple[str, str, str], list[str]] = {}
    for message in report.messages:
        data = message["data"]
        key = (
            _local(message["at"], report.timezone),
            message["name"],
            f"{data['status']}, version {data['version']}",
        )
        rows.setdefault(key, []).append(_channel(message["channel"]))
    return _rows([(*what, "to " + ", ".join(channels)) for what, channels in rows.items()])


def _channel(name: str) -> str:
    kinds = {
        "private-booking-": "the booking's page",
        "private-staff-": "staff",
        "hotel-": "the hotel's page",
    }
    return next((words for prefix, words in kinds.items() if name.startswith(prefix)), name)
