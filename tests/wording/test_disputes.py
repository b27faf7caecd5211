"""Words about disputes: each of Stripe's codes has them, and what to do names its date."""

from __future__ import annotations

import typing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from domain.dispute import WAITS_FOR_EVIDENCE, Dispute
from wording.disputes import OUTCOMES, REASONS, dispute_lines

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
OPEN = Dispute("du_1", 15000, "EUR", "fraudulent", "needs_response", NOW, NOW + timedelta(days=7))
DUE = "Wednesday 8 July 2026, 13:00 (hotel time, Europe/Dublin)"


def test_each_status_and_reason_of_stripe_has_words() -> None:
    known, _ = typing.get_args(stripe.Dispute.__annotations__["status"])
    assert set(typing.get_args(known)) == set(OUTCOMES)
    for status in OUTCOMES:
        assert "Read the dispute" not in dispute_lines(replace(OPEN, status=status), "UTC", NOW).to_do
    for reason in REASONS:
        facts = dict(dispute_lines(replace(OPEN, reason=reason), "UTC", NOW).facts)
        assert "_" not in facts["Reason"]


@pytest.mark.parametrize("status", sorted(WAITS_FOR_EVIDENCE))
def test_evidence_is_due_in_the_hotels_time(status: str) -> None:
    words = dispute_lines(replace(OPEN, status=status), "Europe/Dublin", NOW)
    assert dict(words.facts)["Evidence due"] == DUE
    assert f"by {DUE}" in words.to_do
    late = dispute_lines(replace(OPEN, status=status), "Europe/Dublin", NOW + timedelta(days=7))
    assert late.to_do.startswith("The time for evidence is over.")
    undated = dispute_lines(replace(OPEN, status=status, evidence_due_by=None), "Europe/Dublin", NOW)
    assert "soon" in undated.to_do
    assert "Evidence due" not in dict(undated.facts)


def test_codes_that_are_new_at_stripe_are_shown_as_they_are() -> None:
    words = dispute_lines(replace(OPEN, reason="new_reason", status="new_status"), "UTC", NOW)
    assert (dict(words.facts)["Reason"], words.outcome) == ("new reason", "new status")
    assert words.to_do == "Read the dispute in the Stripe Dashboard."
