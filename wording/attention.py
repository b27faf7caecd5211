"""Why a booking needs attention, in the words of a hotel: what happened, what to do, and until when.

`domain.attention` says the same to operators, and holds the technical detail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain.attention import Attention, AttentionCode, advice, meaning
from domain.booking import Decision, Status
from models import Booking
from storage.owed import owed_minor
from wording.values import money_in_words, short_instant

_RETRY: Final = "“Try again”"
_RESOLVE: Final = "“I have resolved it”"
_KEY: Final = (
    f"Tell the people who run this system that Stripe does not accept its key. Then press {_RETRY}: nothing is charged "
    "or refunded twice."
)
_PAY_OTHERWISE: Final = (
    f"Press {_RETRY} for a new refund. Or pay the guest by other means, such as a bank transfer, then open {_RESOLVE} "
    "and enter the amount."
)

_TO_DO: Final[Mapping[AttentionCode, str]] = {
    AttentionCode.STRIPE_REFUSED: (
        f"Open the payment in the Stripe Dashboard; the booking's page has the link. If you can fix it there, do "
        f"so and press {_RESOLVE}. If the cause is gone, press {_RETRY}."
    ),
    AttentionCode.STRIPE_KEY_REJECTED: _KEY,
    AttentionCode.STRIPE_UNANSWERED: (
        f"Wait until Stripe works again, then press {_RETRY}: nothing is charged or refunded twice."
    ),
    AttentionCode.PAYMENT_UNREAD: _KEY,
    AttentionCode.EVENT_UNREAD: _KEY,
    AttentionCode.HOLD_STILL_PLACED: (
        f"Cancel the payment in the Stripe Dashboard; the booking's page has the link. Then press {_RESOLVE}."
    ),
    AttentionCode.REFUND_NOT_DONE: _PAY_OTHERWISE,
    AttentionCode.REFUND_RETURNED: _PAY_OTHERWISE,
    AttentionCode.UNMATCHED_PAYMENT_KEPT: (
        f"Find the payment in the Stripe Dashboard and cancel or refund it there. Then press {_RETRY}."
    ),
    AttentionCode.PAYMENT_MISMATCH_RETURNED: (
        f"The money is on its way back to the guest. Read the booking, then press {_RESOLVE}."
    ),
    AttentionCode.EMAIL_FAILED: (
        f"Call the guest if the e-mail was for them. Once the address or the mail server is corrected, press {_RETRY} "
        "to send it again."
    ),
    AttentionCode.ROW_CHANGED: (
        "Tell the people who run this system: something has changed the booking past it. Decide nothing meanwhile."
    ),
}

_GUEST_WAITS: Final = frozenset(
    {
        AttentionCode.REFUND_NOT_DONE,
        AttentionCode.REFUND_RETURNED,
        AttentionCode.UNMATCHED_PAYMENT_KEPT,
        AttentionCode.EVENT_UNREAD,
        AttentionCode.HOLD_STILL_PLACED,
    }
)
"""Reasons for which the guest's own money is held, or not back, until someone acts."""


@dataclass(frozen=True)
class AttentionWords:
    """One reason in words.

    Args:
        detail: the technical detail, such as Stripe's own words; may be empty.
    """

    what: str
    to_do: str
    act_by: str
    detail: str


def attention_words(
    reason: Attention, booking: Booking, pending: Decision | None, now: datetime
) -> AttentionWords:
    """Put a reason into words for the hotel's staff.

    Args:
        pending: the decision on the booking that has no outcome yet.
    """
    what = _WHAT.get(reason.code)
    return AttentionWords(
        what=what(booking, pending) if what else meaning(reason.code),
        to_do=_TO_DO.get(reason.code) or advice(reason.code, retry=_RETRY, resolve=_RESOLVE),
        act_by=_act_by(reason.code, booking, pending, now),
        detail=reason.text,
    )


def owes_other_refund(booking: Booking, reasons: Iterable[Attention]) -> bool:
    """Whether a bank returned the refund of an unmatched payment. The booking's amounts do not show that payment."""
    returned = (reason.subject for reason in reasons if reason.code is AttentionCode.REFUND_RETURNED)
    return any(subject != booking.payment_intent_id for subject in returned)


def _guest(booking: Booking) -> str:
    """The guest's name; before a hold the requester may be anyone."""
    name = f"{booking.guest_first_name} {booking.guest_last_name}".strip()
    return name if booking.payment_intent_id and not booking.guest_erased_at else "the guest"


def _card(booking: Booking) -> str:
    return f"the card of {_guest(booking)} ({money_in_words(booking.amount_minor, booking.currency)})"


def _step(booking: Booking, pending: Decision | None) -> str:
    """The step at Stripe that failed: `to charge the card of Nora Kelly (€300.00)`."""
    if booking.status == Status.PENDING_APPROVAL:
        return f"to {'charge' if pending is Decision.APPROVE else 'release the hold on'} {_card(booking)}"
    if booking.amount_captured_minor:
        return f"to refund {_guest(booking)}"
    return f"a step on the payment of {_guest(booking)}"


def _refund_returned(booking: Booking, _pending: Decision | None) -> str:
    owed = owed_minor(booking)
    amount = money_in_words(owed, booking.currency) if owed else "it"
    return f"The bank of {_guest(booking)} has sent the refund back. The hotel still owes the guest {amount}."


_WHAT: Final[Mapping[AttentionCode, Callable[[Booking, Decision | None], str]]] = {
    AttentionCode.STRIPE_REFUSED: lambda row, pending: f"Stripe refused {_step(row, pending)}.",
    AttentionCode.STRIPE_KEY_REJECTED: lambda row, pending: (
        f"Stripe refused {_step(row, pending)}, because it does not accept this system's key."
    ),
    AttentionCode.STRIPE_UNANSWERED: lambda row, pending: (
        f"Stripe was asked {_step(row, pending)} and has not said whether it did."
    ),
    AttentionCode.PAYMENT_UNREAD: lambda row, _: (
        f"Stripe does not let this system see the payment of {_guest(row)}."
    ),
    AttentionCode.EVENT_UNREAD: lambda *_: (
        "Stripe reported a payment for this booking, and does not let this system see it."
    ),
    AttentionCode.HOLD_STILL_PLACED: lambda row, _: (
        f"The hold on {_card(row)} is still there, although the time to charge it is over."
    ),
    AttentionCode.REFUND_NOT_DONE: lambda row, _: f"The refund to {_guest(row)} has not gone through.",
    AttentionCode.REFUND_RETURNED: _refund_returned,
    AttentionCode.UNMATCHED_PAYMENT_KEPT: lambda row, _: (
        f"A payment of {_guest(row)} that this booking does not need could not be released or refunded."
    ),
    AttentionCode.PAYMENT_MISMATCH_RETURNED: lambda *_: (
        "A payment with the wrong amount or for another booking came in, and was released or refunded."
    ),
    AttentionCode.EMAIL_FAILED: lambda *_: "An e-mail about this booking could not be sent.",
    AttentionCode.ROW_CHANGED: lambda *_: "This booking was changed in the database, past this system.",
}


def _act_by(code: AttentionCode, booking: Booking, pending: Decision | None, now: datetime) -> str:
    def local(instant: datetime) -> str:
        return short_instant(instant, booking.timezone, now)

    deadline = booking.decision_deadline
    if booking.status == Status.PENDING_APPROVAL and deadline and code is not AttentionCode.EMAIL_FAILED:
        if deadline > now:
            return (
                f"By {local(deadline)} (hotel time). After that the hold may end, and nothing can be charged."
            )
        return f"At once: the time to decide was over at {local(deadline)} (hotel time)."
    payable_until = booking.payment_deadline
    if booking.status == Status.PENDING_PAYMENT and payable_until and payable_until > now:
        return f"By {local(payable_until)} (hotel time), when the guest's time to pay ends."
    if code in _GUEST_WAITS or owed_minor(booking) or pending is Decision.CANCEL:
        return "Today, if you can: the guest is waiting for the money."
    if now < booking.check_in_at:
        return f"Before the guest arrives, {local(booking.check_in_at)} (hotel time)."
    return "As soon as you can. No time limit runs in this system."
