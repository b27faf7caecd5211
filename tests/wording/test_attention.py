"""Reasons for attention in the words of a hotel."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.attention import Attention, AttentionCode
from domain.booking import Decision, Status
from models import Booking
from wording.attention import attention_words

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
TECHNICAL = ("HTTP", "STRIPE_SECRET_KEY", "worker", "workflow", "PaymentIntent", "row", "{")


def booking(**values: Any) -> Booking:
    """A held booking of 300 euros, to be decided by six o'clock, for a stay a week later."""
    standard: dict[str, Any] = {
        "booking_id": "BK-1", "hotel_id": 1, "room_type_id": 1, "guest_first_name": "Nora", "guest_last_name": "Kelly",
        "check_in": date(2026, 12, 6), "check_out": date(2026, 12, 8), "check_in_hour": 15, "timezone": "Europe/Dublin",
        "status": Status.PENDING_APPROVAL, "amount_minor": 30000, "currency": "EUR", "payment_intent_id": "pi_1",
        "decision_deadline": NOW + timedelta(hours=6), "amount_captured_minor": 0, "amount_refunded_minor": 0,
        "amount_paid_elsewhere_minor": 0, "guest_erased_at": None, "payment_deadline": None, "refund_due_minor": None,
    }  # fmt: skip
    return Booking(**(standard | values))


CONFIRMED = booking(status=Status.CONFIRMED, amount_captured_minor=30000)


@pytest.mark.parametrize("code", AttentionCode)
@pytest.mark.parametrize("row", [booking(), CONFIRMED], ids=["held", "confirmed"])
def test_each_reason_is_told_without_technical_terms(code: AttentionCode, row: Booking) -> None:
    words = attention_words(Attention(code, "pi_1", "Stripe: HTTP 402"), row, None, NOW)
    for text in (words.what, words.to_do, words.act_by):
        assert text.endswith(".")
        assert not any(term in text for term in TECHNICAL), text
    assert words.detail == "pi_1: Stripe: HTTP 402"


@pytest.mark.parametrize(
    ("row", "pending", "text"),
    [
        (booking(), Decision.APPROVE, "Stripe refused to charge the card of Nora Kelly (€300.00)."),
        (booking(), Decision.DECLINE, "Stripe refused to release the hold on the card of Nora Kelly (€300.00)."),
        (booking(), None, "Stripe refused to release the hold on the card of Nora Kelly (€300.00)."),
        (CONFIRMED, Decision.CANCEL, "Stripe refused to refund Nora Kelly."),
        (booking(payment_intent_id=None, status=Status.PENDING_PAYMENT), None,
         "Stripe refused a step on the payment of the guest."),
    ],
)  # fmt: skip
def test_the_step_that_failed_is_named(row: Booking, pending: Decision | None, text: str) -> None:
    """Without a hold, no name appears: the requester may be anyone."""
    assert attention_words(Attention(), row, pending, NOW).what == text


@pytest.mark.parametrize(
    ("row", "code", "text"),
    [
        (booking(), AttentionCode.STRIPE_REFUSED, "By Sun 29 Nov, 18:00 (hotel time). After that the hold may end"),
        (booking(decision_deadline=NOW), AttentionCode.STRIPE_REFUSED, "At once: the time to decide was over"),
        (booking(), AttentionCode.EMAIL_FAILED, "Before the guest arrives, Sun 6 Dec, 15:00"),
        (CONFIRMED, AttentionCode.REFUND_RETURNED, "Today, if you can"),
        (CONFIRMED, AttentionCode.EMAIL_FAILED, "Before the guest arrives, Sun 6 Dec, 15:00"),
        (booking(status=Status.CANCELLED, amount_captured_minor=30000, refund_due_minor=100),
         AttentionCode.STRIPE_REFUSED, "Today, if you can"),
        (booking(status=Status.DECLINED, check_in=date(2026, 11, 28)), AttentionCode.EMAIL_FAILED,
         "As soon as you can."),
    ],
)  # fmt: skip
def test_the_time_that_is_left(row: Booking, code: AttentionCode, text: str) -> None:
    assert attention_words(Attention(code), row, None, NOW).act_by.startswith(text)


def test_an_amount_that_is_owed_is_named() -> None:
    row = booking(status=Status.CANCELLED, amount_captured_minor=30000, refund_due_minor=20000)
    what = attention_words(Attention(AttentionCode.REFUND_RETURNED), row, None, NOW).what
    assert what.endswith("The hotel still owes the guest €200.00.")
