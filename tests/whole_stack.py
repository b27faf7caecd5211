"""The whole stack as `make run` starts it, for end-to-end tests and for those with a browser: one per process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from sandbox.stack import Stack

HOTEL: Final = "hotel-killarney"
LATE_FEE_PERCENT: Final = 30
HASTY: Final = "kyoto-inn"
"""A hotel whose payment window and decision deadline are a few seconds long."""
HASTY_S: Final = 6
PAYMENT_POLL_S: Final = 8
"""Longer than any webhook takes, so that a booking that moves at once was moved by one."""
ROOMS: Final = 1000
PASSWORD: Final = "only-for-this-run"


@pytest.fixture(scope="session")
def whole_stack(stack_folder: Path) -> Iterator[Stack]:
    """A stack with the demo's hotels; one of them gives guests and staff a few seconds only."""
    from sandbox.stack import Stack  # most processes never need it

    with Stack(stack_folder / "whole", {"PAYMENT_POLL_S": str(PAYMENT_POLL_S)}) as stack:
        stack.manage("demo-data", DEMO_PASSWORD=PASSWORD)
        stack.manage("hotel", "set", HOTEL, "--late-cancel-fee-percent", str(LATE_FEE_PERCENT))
        hasty = ("--payment-window-s", str(HASTY_S), "--approval-sla-s", str(HASTY_S))
        stack.manage("hotel", "set", HASTY, *hasty)
        for hotel in (HOTEL, HASTY):
            # Tests share the nights, and few are about the last room.
            double = ("--hotel", hotel, "--code", "double")
            stack.manage("room-type", "set", *double, "--rooms", str(ROOMS))
        yield stack
