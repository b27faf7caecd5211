"""Writing a booking's row within the workflow task that decides the change (docs/decisions/16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from activities.bookings import Bookings
from dispatch import ui_texts
from domain.booking import Event
from domain.messages.changes import Change, ChangeResult
from workflows import options

_ANCHORED: Final = frozenset({Event.SUBMITTED, Event.AUTHORIZED, Event.APPROVED, Event.DECLINED})
"""Changes that a repeated workflow task decides again: the history already contains their cause.

A submission is the first step of its run. Each of the others follows the result of an activity, and the booking's
loop takes no other message before it is written.
"""


async def record_change(change: Change, how: Mapping[str, Any], *, after_timer: bool) -> ChangeResult:
    """Write a change: first within the workflow task, then as an activity that operators see and that is retried.

    Args:
        how: timeout and retries of the activity.
        after_timer: a timer started the step. A repeated task might take a signal first, so the step becomes part of
            the history before it is carried out.

    Raises:
        ActivityError: as `Bookings.record` says.
    """
    if change.event in _ANCHORED and not after_timer:
        try:
            return await workflow.execute_local_activity_method(
                Bookings.record, change, summary=ui_texts.record(change.event), **options.DATABASE_AT_ONCE
            )
        except FailureError as error:
            # The SDK raises the bare cause here. The activity meets a lasting error again, in its usual form.
            if is_cancelled_exception(error):
                raise
    return await workflow.execute_activity_method(
        Bookings.record, change, summary=ui_texts.record(change.event), **how
    )
