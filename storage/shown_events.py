"""Events that wait in the inbox for the change that they report (`storage.echoes`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from domain.attention import AttentionCode
from domain.booking import Event, Status
from domain.messages.changes import Change
from domain.stripe_events import AUTHORIZING, SETTLING
from models import Booking
from storage.inbox import NOTHING_NEW

MARK_SHOWN: Final = (
    "UPDATE stripe_webhook_event SET processed_at = now(), note = :shown_note"
    " WHERE payment_intent_id = ANY(CAST(:shown_payments AS text[]))"
    " AND event_type = ANY(CAST(:shown_types AS text[])) AND processed_at IS NULL"
)
"""Marks the events that a change shows: a statement, or a part of one, with the parameters of `ShownEvents`."""


@dataclass(frozen=True)
class ShownEvents:
    """The waiting events that bring nothing new once a change is written."""

    payments: list[str]
    types: list[str]

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of `MARK_SHOWN`."""
        return {"shown_payments": self.payments, "shown_types": self.types, "shown_note": NOTHING_NEW}


def shown_by(change: Change, booking: Booking, to: Status) -> ShownEvents:
    """Return the events that a change shows.

    Args:
        booking: its row, locked, as it was before the change.
        to: the status after it.
    """
    own = booking.payment_intent_id
    if change.event is Event.AUTHORIZED and change.payment_intent_id is not None:
        return ShownEvents([change.payment_intent_id], sorted(AUTHORIZING))
    if booking.status == Status.PENDING_APPROVAL and to is not Status.PENDING_APPROVAL and own is not None:
        return ShownEvents([own], sorted(SETTLING))
    returned = AttentionCode.PAYMENT_MISMATCH_RETURNED
    subjects = [reason.subject for reason in change.attention_opened if reason.code is returned]
    return ShownEvents(subjects, sorted(AUTHORIZING))
