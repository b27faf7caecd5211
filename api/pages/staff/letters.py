"""The e-mail that a decision sends to the guest, shown before the decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.pages.staff.console import Console
from api.schemas import CancelIn, DeclineIn
from api.views import BookingDetails
from domain.booking import ActorKind, Event, MailKind, ReasonCode, Status
from domain.errors import DomainError
from domain.identifiers import status_page
from domain.money import Money, parse
from emails.compose import BookingEmail, Composer
from models import Booking, BookingTimeline, utc_now
from storage.owed import own_paid_elsewhere_minor
from wording import guest

_REASON_TO_COME: Final = "(the reason you choose)"
_SECRET: Final = "preview"  # noqa: S105  the guest's link must not open anything from here
_SENDER: Final = "preview@preview.invalid"

Letter = dict[str, str]
"""Recipient, subject and text of an e-mail, as `_letter.html` shows them."""


def decline_letter(console: Console, found: BookingDetails, why: DeclineIn, *, is_chosen: bool) -> Letter:
    """The e-mail about a decline.

    Args:
        is_chosen: staff have chosen the reason; otherwise a placeholder stands for it.
    """
    reason = why.reason_code or ReasonCode.OTHER
    values = {"status": Status.DECLINED, "reason_code": reason, "reason_note": why.reason_note}
    letter = _letter(console, found, MailKind.DECLINED, Event.DECLINED, values)
    if not is_chosen:
        letter["text"] = letter["text"].replace(guest.REASONS[reason], _REASON_TO_COME)
    return letter


def cancel_letter(console: Console, found: BookingDetails, wishes: CancelIn) -> Letter:
    """The e-mail about a manager's cancellation, as if the refund had gone through; by default all of it."""
    row = found.booking
    due_minor = _refund(wishes, row).minor
    refunded_minor = max(due_minor - own_paid_elsewhere_minor(row), row.amount_refunded_minor)
    values = {
        "status": Status.CANCELLED,
        "reason_note": wishes.reason_note,
        "refund_due_minor": due_minor,
        "amount_refunded_minor": min(refunded_minor, row.amount_captured_minor),
    }
    return _letter(console, found, MailKind.CANCELLED, Event.CANCELLED_BY_STAFF, values)


def _refund(wishes: CancelIn, row: Booking) -> Money:
    """The refund of a form; all of the captured amount while the form has no amount."""
    try:
        if wishes.refund_amount:
            return parse(wishes.refund_amount, row.currency)
    except DomainError:
        pass
    return Money(row.amount_captured_minor, row.currency)


def _letter(
    console: Console, found: BookingDetails, kind: MailKind, event: Event, values: Mapping[str, Any]
) -> Letter:
    row, now = found.booking, utc_now()
    booking = Booking(**(row.model_dump() | dict(values)))
    version = row.version + 1
    step = BookingTimeline(
        booking_id=row.booking_id,
        version=version,
        at=now,
        from_status=row.status,
        to_status=values["status"],
        event=event,
        actor=ActorKind.STAFF,
    )
    base = console.services.public_base_url
    email = BookingEmail(kind, version, booking, found.hotel, found.room_type, step)
    to = "" if row.guest_erased_at else row.guest_email
    mail = Composer(_SENDER, base, _SECRET).compose(email, now)
    link = status_page(base, _SECRET, row.booking_id)
    text = mail.text.replace(link, "(the guest's own link)")
    return {"to": to, "subject": mail.subject, "text": text.strip()}
