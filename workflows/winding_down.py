"""The end of a booking's workflow: at check-out, or once the booking is declined, expired or cancelled."""

from __future__ import annotations

from temporalio import workflow

from dispatch import ui_texts
from workflows.booking_context import BookingContext
from workflows.stay_phase import StayPhase


class WindingDown:
    """Lets a booking's workflow end once no caller waits and no attention is open.

    Args:
        stay: handles the messages that still arrive. A cancellation may outlast check-out: it was requested in time,
            or its refund failed.
    """

    def __init__(self, context: BookingContext, stay: StayPhase) -> None:
        self._context = context
        self._state = context.state
        self._message_queue = context.message_queue
        self._stay = stay

    async def run(self) -> None:
        """Answer all callers, send all notifications, and handle the messages that arrive meanwhile."""
        while True:
            await self._until_nothing_is_left()
            await self._message_queue.drain()
            if self._message_queue.waiting:
                continue
            if workflow.all_handlers_finished():
                return
            self._state.is_over = True
            await workflow.wait_condition(
                lambda: workflow.all_handlers_finished() or self._message_queue.waiting
            )

    async def _until_nothing_is_left(self) -> None:
        """Send the last notifications, and wait for a person while attention is open."""
        self._state.wait_for(ui_texts.WAITING_FOR_LAST_MESSAGES)
        while True:
            await self._context.notifications.drain()
            if not self._message_queue.waiting and not self._state.attention:
                return
            if not self._message_queue.waiting:
                self._state.wait_for(ui_texts.WAITING_FOR_OPERATOR)
            if (message := await self._message_queue.next(None, "")) is not None:
                await self._stay.handle(message)
