"""Every activity × every way to fail, on every path, each case on a booking of its own; `-s` prints how many.

The suite takes two paths. `FAULT_MATRIX=singles .venv/bin/python -m pytest tests/workflows/test_fault_matrix.py -n 3
-rP` takes all of them, in about ten minutes on two cores. `FAULT_MATRIX=pairs` is every two faults on one booking,
dealt out to parts; that takes hours.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import pytest

from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.invariants import find_violations
from tests.workflows.scenarios_bulk import BULK_SCENARIOS, BookingDrivers, BulkScenario, no_faults

MATRIX = os.environ.get("FAULT_MATRIX")
PAIRS = MATRIX == "pairs"
_IN_THE_SUITE = ("guest cancels after confirmation", "paid after the window")
_PARTS = 12 if PAIRS else 1
"""Each is a test of its own: a long run tells how far it has come, and a part that failed is run again alone."""
_AT_ONCE = 24 if PAIRS else 40
_FAULT_MODES = (FaultMode.BEFORE, FaultMode.AFTER, FaultMode.HANG)


@dataclass(frozen=True)
class AttemptFault:
    """One fault: the `nth` attempt of an activity, counted from 0, comes to grief."""

    activity: str
    nth: int
    mode: FaultMode

    async def arm(self, harness: WorkflowHarness, booking: BookingDriver) -> None:
        """Order it for a booking."""
        harness.activity_faults.order(self.activity, self.mode, booking_id=booking.booking_id, skip=self.nth)

    def __str__(self) -> str:
        return f"{self.activity}#{self.nth + 1} {self.mode}"


@dataclass(frozen=True)
class StoredError:
    """One fault: Stripe answers a write with an error 500 and repeats that answer for as long as it keeps the key."""

    step: str
    """The part of its idempotency key behind the booking's id."""

    async def arm(self, harness: WorkflowHarness, booking: BookingDriver) -> None:
        """Order it for a booking."""
        await harness.stripe.order(
            "POST *", "error_before", key=f"booking:{booking.booking_id}:{self.step}:*"
        )

    def __str__(self) -> str:
        return f"{self.step} stored 500"


MatrixFault = AttemptFault | StoredError
FaultCombination = tuple[MatrixFault, ...]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in BULK_SCENARIOS if MATRIX or scenario.name in _IN_THE_SUITE],
    ids=lambda scenario: scenario.name,
)
async def test_no_failed_step_breaks_an_invariant(
    harness: WorkflowHarness, scenario: BulkScenario, part: int
) -> None:
    """One fault, or two in different places, do not change a booking's correct end."""
    faults = await _faults(harness, scenario)
    everything: list[FaultCombination] = (
        list(combinations(faults, 2)) if PAIRS else [(fault,) for fault in faults]
    )
    cases = everything[part::_PARTS]
    for start in range(0, len(cases), _AT_ONCE):
        await _run(harness, scenario, cases[start : start + _AT_ONCE])
        done = min(start + _AT_ONCE, len(cases))
        print(f"{scenario.name}: {done} of {len(cases)} cases", file=sys.stderr, flush=True)
    of = f", part {part + 1} of the {len(everything)}" if PAIRS else ""
    print(f"\n{scenario.name}: {len(faults)} faults, {len(cases)} cases{of}")
    assert len(faults) >= 4 * len(_FAULT_MODES)


async def _faults(harness: WorkflowHarness, scenario: BulkScenario) -> list[MatrixFault]:
    """Go the path once without faults, and see which steps there are."""
    [booking] = await scenario.run(harness, 1, no_faults)
    assert await booking.status() in scenario.ends
    attempts = Counter(harness.activity_faults.attempts_of[booking.booking_id])
    strikes = [
        AttemptFault(activity, nth, mode)
        for activity, count in sorted(attempts.items())
        for nth in range(count)
        for mode in _FAULT_MODES
    ]
    writes = sorted({key.partition(":")[0] for key in await booking.keys("")})
    return [*strikes, *map(StoredError, writes)]


async def _run(harness: WorkflowHarness, scenario: BulkScenario, cases: list[FaultCombination]) -> None:
    async def arm(number: int, booking: BookingDriver) -> None:
        for fault in cases[number]:
            await fault.arm(harness, booking)

    bookings = await scenario.run(harness, len(cases), arm)
    ends = [await booking.status() for booking in bookings]
    wrong = [
        f"{' and '.join(map(str, case))}: {status}"
        for case, status in zip(cases, ends, strict=True)
        if status not in scenario.ends
    ]
    assert wrong == []
    assert await find_violations(harness) == [], _describe(cases, bookings)
    _forget(harness, bookings)


def _describe(cases: list[FaultCombination], bookings: BookingDrivers) -> str:
    return "\n".join(
        f"{booking.booking_id}: {' and '.join(map(str, case))}"
        for case, booking in zip(cases, bookings, strict=True)
    )


def _forget(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    """Leave bookings that are judged, and what was answered about them, out of what is looked at next."""
    harness.answers.clear()
    for booking in bookings:
        harness.booking_ids.discard(booking.booking_id)
        harness.judged_ids.add(booking.booking_id)
