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

from tests.workflows.paths import PATHS, Path, Stays, unharmed
from tests.workflows.promises import broken
from tests.workflows.reservation import Reservation
from tests.workflows.wire import Trouble
from tests.workflows.world import World

MATRIX = os.environ.get("FAULT_MATRIX")
PAIRS = MATRIX == "pairs"
_IN_THE_SUITE = ("guest cancels after confirmation", "paid after the window")
_PARTS = 12 if PAIRS else 1
"""Each is a test of its own: a long run tells how far it has come, and a part that failed is run again alone."""
_AT_ONCE = 24 if PAIRS else 40
_TROUBLES = (Trouble.BEFORE, Trouble.AFTER, Trouble.HANG)


@dataclass(frozen=True)
class Strike:
    """One fault: the `nth` attempt of an activity, counted from 0, comes to grief."""

    activity: str
    nth: int
    trouble: Trouble

    async def arm(self, world: World, stay: Reservation) -> None:
        """Order it for a booking."""
        world.wire.order(self.activity, self.trouble, booking_id=stay.booking_id, skip=self.nth)

    def __str__(self) -> str:
        return f"{self.activity}#{self.nth + 1} {self.trouble}"


@dataclass(frozen=True)
class StoredError:
    """One fault: Stripe answers a write with an error 500 and repeats that answer for as long as it keeps the key."""

    step: str
    """The part of its idempotency key behind the booking's id."""

    async def arm(self, world: World, stay: Reservation) -> None:
        """Order it for a booking."""
        await world.stripe.order("POST *", "error_before", key=f"booking:{stay.booking_id}:{self.step}:*")

    def __str__(self) -> str:
        return f"{self.step} stored 500"


Fault = Strike | StoredError
Case = tuple[Fault, ...]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize(
    "path", [path for path in PATHS if MATRIX or path.name in _IN_THE_SUITE], ids=lambda path: path.name
)
async def test_no_failed_step_breaks_a_promise(world: World, path: Path, part: int) -> None:
    """Whatever fails once, or twice in different places, the booking comes to the same right end."""
    faults = await _faults(world, path)
    everything: list[Case] = list(combinations(faults, 2)) if PAIRS else [(fault,) for fault in faults]
    cases = everything[part::_PARTS]
    for start in range(0, len(cases), _AT_ONCE):
        await _run(world, path, cases[start : start + _AT_ONCE])
        done = min(start + _AT_ONCE, len(cases))
        print(f"{path.name}: {done} of {len(cases)} cases", file=sys.stderr, flush=True)
    of = f", part {part + 1} of the {len(everything)}" if PAIRS else ""
    print(f"\n{path.name}: {len(faults)} faults, {len(cases)} cases{of}")
    assert len(faults) >= 4 * len(_TROUBLES)


async def _faults(world: World, path: Path) -> list[Fault]:
    """Go the path once without faults, and see which steps there are."""
    [stay] = await path.take(world, 1, unharmed)
    assert await stay.status() in path.ends
    attempts = Counter(world.wire.attempts_of[stay.booking_id])
    strikes = [
        Strike(activity, nth, trouble)
        for activity, count in sorted(attempts.items())
        for nth in range(count)
        for trouble in _TROUBLES
    ]
    writes = sorted({key.partition(":")[0] for key in await stay.keys("")})
    return [*strikes, *map(StoredError, writes)]


async def _run(world: World, path: Path, cases: list[Case]) -> None:
    async def arm(number: int, stay: Reservation) -> None:
        for fault in cases[number]:
            await fault.arm(world, stay)

    stays = await path.take(world, len(cases), arm)
    ends = [await stay.status() for stay in stays]
    wrong = [
        f"{' and '.join(map(str, case))}: {status}"
        for case, status in zip(cases, ends, strict=True)
        if status not in path.ends
    ]
    assert wrong == []
    assert await broken(world) == [], _told(cases, stays)
    _forget(world, stays)


def _told(cases: list[Case], stays: Stays) -> str:
    return "\n".join(
        f"{stay.booking_id}: {' and '.join(map(str, case))}" for case, stay in zip(cases, stays, strict=True)
    )


def _forget(world: World, stays: Stays) -> None:
    """Leave bookings that are judged, and what was answered about them, out of what is looked at next."""
    world.answers.clear()
    for stay in stays:
        world.booking_ids.discard(stay.booking_id)
