"""The timer of a booking's loop."""

from __future__ import annotations

import asyncio
from datetime import datetime

from temporalio import workflow


class WakeTimer:
    """Runs on while messages are handled: a message that leaves the next instant as it is costs no timer.

    A timer adds an event to the history when it starts, and another when it is cancelled.
    """

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def has_fired(self) -> bool:
        """Whether the instant has come."""
        return self._running is not None and self._running.done()

    def set(self, at: datetime | None, summary: str) -> None:
        """Wake the loop at `at`, which is in the future; None: only messages wake it."""
        if at == self._at and not self.has_fired:
            return
        if self._running is not None:
            self._running.cancel()
        self._at, self._running = at, None
        if at is not None:
            self._running = asyncio.create_task(workflow.sleep(at - workflow.now(), summary=summary))
