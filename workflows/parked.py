"""A decision on a hold that Stripe would not let be carried out, and what it outlasts until it is.

Staff may change their minds: their decision gives way to the next one, to an operator's `resolve`, and to a hold that
is gone. A guest who cancelled was told that this is safe. No later approval may charge them; no later decline,
deadline or lapse of the hold makes another end of what was theirs; and no operator drops it. Only a capture in the
Dashboard is stronger: that counts, as always.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.booking import Decision
    from workflows.items import DecisionAsked


def stands(parked: DecisionAsked, asked: DecisionAsked) -> bool:
    """Whether it is tried again, instead of giving way to the one that is asked now."""
    if parked.decision is asked.decision:
        return True
    return _is_guests(parked) and workflow.patched("parked-cancellation-stands")


def is_tried_every_hour(parked: DecisionAsked | None) -> bool:
    """Whether it is tried every hour rather than left to the decision deadline."""
    return _is_guests(parked) and workflow.patched("parked-cancellation-is-tried-again")


def outlives_resolve(parked: DecisionAsked) -> bool:
    """Whether it is tried again although somebody says that they settled it by hand."""
    return _is_guests(parked) and workflow.patched("parked-cancellation-outlives-resolve")


def comes_true(parked: DecisionAsked | None) -> bool:
    """Whether it is carried out once nothing is held any more, whoever let the hold go."""
    return _is_guests(parked) and workflow.patched("vanished-hold-ends-as-cancelled")


def _is_guests(parked: DecisionAsked | None) -> bool:
    """Whether a guest cancelled; before the hotel has decided nobody else may."""
    return parked is not None and parked.decision is Decision.CANCEL
