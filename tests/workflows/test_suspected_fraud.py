"""A decline because of suspected fraud: Stripe and staff learn the reason, the guest does not."""

from __future__ import annotations

import pytest

from domain.booking import ReasonCode, Status
from tests.workflows.harness import WorkflowHarness


@pytest.mark.parametrize(
    ("code", "at_stripe"),
    [(ReasonCode.SUSPECTED_FRAUD, "fraudulent"), (ReasonCode.NO_AVAILABILITY, "abandoned")],
)
async def test_suspected_fraud_is_for_stripe_and_staff(
    harness: WorkflowHarness, code: ReasonCode, at_stripe: str
) -> None:
    booking = await harness.held()
    await booking.decline(code)
    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, code)
    intent = await booking.intent()
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", at_stripe)
    await harness.wait_until_idle()
    [*_, mail] = await booking.mails(booking.guest_email)
    assert mail["subject"] == f"Booking Update - {booking.booking_id}"
    assert ("The hotel cannot take this booking." in mail["text"]) is (code is ReasonCode.SUSPECTED_FRAUD)
    assert "fraud" not in mail["text"].lower()
