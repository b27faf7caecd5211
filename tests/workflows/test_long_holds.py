"""Hotels that ask for long holds: Stripe's answer decides how long the hotel has, never the request."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.booking import Event
from tests.workflows.harness import WorkflowHarness

DAY_S = 86400
GRANTED, REFUSED, SHORT = "5555555555554444", "3566002020360505", "4000000000006000"


@pytest.mark.parametrize(
    ("card", "long_holds", "held_for", "decided_within"),
    [
        (GRANTED, True, timedelta(days=30), timedelta(days=20)),
        (REFUSED, True, timedelta(days=7), timedelta(days=7, hours=-1)),
        (SHORT, True, timedelta(seconds=60), timedelta(seconds=54)),
        (GRANTED, False, timedelta(days=7), timedelta(days=7, hours=-1)),
    ],
)
async def test_deadline_follows_the_hold_that_came(
    harness: WorkflowHarness, card: str, held_for: timedelta, decided_within: timedelta, *, long_holds: bool
) -> None:
    """The hotel gives itself 20 days; no hold lasts longer because of that."""
    booking = await harness.submitted(
        long_holds=long_holds, approval_sla_s=20 * DAY_S, check_in_days=40, payment_window_s=DAY_S
    )
    await booking.place_hold(card)
    row = await booking.row()
    assert row.payment_authorized_at
    assert row.capture_before == row.payment_authorized_at + held_for
    assert row.decision_deadline == row.payment_authorized_at + decided_within


async def test_long_hold_is_captured_after_a_usual_one_would_have_lapsed(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(long_holds=True, approval_sla_s=20 * DAY_S, check_in_days=40)
    await booking.place_hold(GRANTED)
    await harness.advance(days=15)
    await booking.approve()
    intent = await booking.intent()
    assert (intent["status"], intent["captures"]) == ("succeeded", 1)
    assert (await booking.timeline())[-1].event == Event.APPROVED
