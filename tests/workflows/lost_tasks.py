"""Workflow tasks that are lost after they have changed the database, as when a worker is killed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

_RESULT_OF_A_CHANGE = b'"published"'


class LostTasks(PayloadCodec):
    """Fails a workflow task when it hears that its change was written; the server gives the task out again.

    The worker forgets the workflow, so the task is repeated as after a kill: with the history as it then is.

    `on_loss` is called before the server hears of it: what it signals is in the history of the repeated task.
    """

    def __init__(self) -> None:
        self.on_loss: Callable[[], Awaitable[object]] | None = None
        self.lost = 0
        self._armed = False

    def arm(self) -> None:
        """Lose the task that hears next of a change."""
        self._armed = True

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Leave all payloads as they are."""
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Called for the results of activities before a workflow sees them, among others."""
        if self._armed and any(_RESULT_OF_A_CHANGE in payload.data for payload in payloads):
            self._armed = False
            self.lost += 1
            if self.on_loss is not None:
                await self.on_loss()
            raise RuntimeError("the worker dies")
        return list(payloads)
