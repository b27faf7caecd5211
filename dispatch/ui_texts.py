"""The texts that operators read in the Temporal UI. None of them may name a guest.

Summaries name one activity or timer; details describe a whole workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.attention import Attention, meaning
from domain.booking import Decision, Event, MailKind, Status
from domain.decisions import CommandOutcome
from domain.messages.starts import BookingTerms, EndedBookingEvent
from domain.money import Money

# --- workflows ---


def booking_summary(terms: BookingTerms) -> str:
    """The summary of a booking's workflow: hotel and total."""
    return f"{terms.hotel_slug}: {Money(terms.amount_minor, terms.currency)} {terms.currency}"


def booking_start_details(terms: BookingTerms) -> str:
    """The fixed details of a booking's workflow: its check-in."""
    return f"Check-in {terms.check_in_at:%Y-%m-%d %H:%M} UTC"


def booking_details(status: Status, version: int, waiting_for: str, attention: Sequence[Attention]) -> str:
    """The current details of a booking's workflow, in Markdown."""
    needs = "".join(f"\n\n**Needs attention:** {meaning(each.code)} {each.text}" for each in attention)
    return f"**{status}**, version {version}, waiting for {waiting_for}{needs}"


def ended_booking_summary(event: EndedBookingEvent) -> str:
    """The summary of an `EndedBookingPaymentWorkflow`: the booking and the event."""
    return f"Money for {event.booking_id}, which has ended: {event.hint.event_type}"


def reconciliation_details(bookings: int, healed: int, left: int) -> str:
    """The result of a reconciliation run."""
    return f"{bookings} bookings compared: {healed} findings healed, {left} left for a person"


# --- reasons for waiting; they follow the words "waiting for" ---

WAITING_FOR_SUBMISSION: Final = "submission"
WAITING_FOR_PAYMENT: Final = "the guest's payment"
WAITING_FOR_DECISION: Final = "the hotel's decision"
WAITING_FOR_CHECK_OUT: Final = "check-out"
WAITING_FOR_LAST_MESSAGES: Final = "its last messages"
WAITING_FOR_OPERATOR: Final = "an operator: `booking retry` or `booking resolve`"
WAITING_FOR_ROW: Final = "an operator, to check the row and run `booking retry`"
WAITING_FOR_SESSION_TO_CLOSE: Final = "Stripe to close the payment page"
WAITING_FOR_RELEASE: Final = "Stripe to release the hold"
WAITING_FOR_REFUND: Final = "Stripe, to refund the guest"


def waiting_for_stripe(decision: Decision) -> str:
    """The reason for waiting while a decision is carried out."""
    return f"Stripe, to {decision} the booking"


# --- timers ---

PAYMENT_TIMER: Final = "Payment window, e-mail to the guest, or time to ask Stripe"
DECISION_TIMER: Final = "Reminder, or decision deadline"
CHECK_OUT_TIMER: Final = "Check-out"
REASON_TIMER: Final = "Time to look whether the reason was cleared"
PAUSE_BEFORE_STRIPE: Final = "Pause before asking Stripe again"
PAUSE_BEFORE_HOLD: Final = "Pause before reading the hold again"

# --- activities ---

OPEN_SESSION: Final = "Open the payment page"
EXPIRE_SESSION: Final = "Close the payment page"
READ_ONCE: Final = "Ask Stripe about the payment"
READ_UNTIL_ANSWERED: Final = "Read the payment"
CAPTURE: Final = "Capture the hold"
RELEASE: Final = "Release the hold"
REFUND: Final = "Refund the guest"
READ_BOOKING: Final = "Read the booking"

DELIVER_EVENTS: Final = "Deliver unprocessed Stripe events"
FETCH_EVENTS: Final = "Fetch Stripe events that never arrived"
NOTE_UNKNOWN_PAYMENT: Final = "Note that Stripe does not know the payment"
DELETE_DRAFTS: Final = "Delete stale drafts"
DELETE_REQUESTS: Final = "Delete stale idempotency keys, log-ins, links and rate counts"
SEND_ACCOUNT_MAIL: Final = "E-mail: a link to an account"
RECORD_SWEEP: Final = "Record that the sweep is complete"

BEGIN_RUN: Final = "Begin a record"
FINISH_RUN: Final = "Close the record"


def record(event: Event) -> str:
    """The summary of writing a change to the row."""
    return f"Record: {event}"


def refuse(outcome: CommandOutcome) -> str:
    """The summary of closing a command that changed nothing."""
    return f"Refuse: {outcome}"


def publish(status: Status, version: int) -> str:
    """The summary of publishing a version to browsers."""
    return f"Publish {status} v{version}"


def send_email(kinds: Sequence[MailKind]) -> str:
    """The summary of sending e-mails."""
    return f"E-mail: {', '.join(kinds)}"


def compare(after: int) -> str:
    """The summary of comparing a batch of bookings: those after a row id."""
    return f"Compare bookings after row {after}"
