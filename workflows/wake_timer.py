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

    def wait_until(self, at: datetime | None, summary: str) -> bool:
        """Wake the loop at `at`; None: only messages wake it.

        Returns:
            False if the instant has come. While a timer runs for it, only the timer says so: a workflow task that
            starts none may be replayed at a later `workflow.now()` (docs/decisions/16).
        """
        if at == self._at and not self.has_fired:
            return True
        if at is not None and at <= workflow.now():
            return False
        if self._running is not None:
            self._running.cancel()
        self._at, self._running = at, None
        if at is not None:
            self._running = asyncio.create_task(workflow.sleep(at - workflow.now(), summary=summary))
        return True
