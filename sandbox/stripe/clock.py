"""The stand-in's time: the computer's own, or moved on request, as with Stripe's test clocks.

https://docs.stripe.com/billing/testing/test-clocks. Creation, expiry and lapse times follow it, and so do signatures
and the age of idempotency keys; retries of deliveries follow the computer's time.
"""

from __future__ import annotations

import time


class StripeClock:
    """A clock that keeps running after it was moved."""

    def __init__(self) -> None:
        self._offset_s = 0.0

    @property
    def offset_s(self) -> float:
        """Seconds ahead of the computer's time."""
        return self._offset_s

    def now_s(self) -> float:
        """The stand-in's present, as Unix time in seconds."""
        return time.time() + self._offset_s

    def move(self, offset_s: float) -> None:
        """Set the clock `offset_s` seconds ahead of the computer's time."""
        self._offset_s = offset_s

    def set(self, now_s: float) -> None:
        """Set the clock to a Unix time in seconds."""
        self._offset_s = now_s - time.time()
