"""Log lines of activities: each names its booking and workflow, and each failed attempt has one."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

log = logging.getLogger("activities")

_ids: ContextVar[Mapping[str, Any]] = ContextVar("activity_ids", default={})  # noqa: B039  never changed in place
_BOOKING: Final = "BK-"


class ActivityIds(logging.Filter):
    """Adds to each line of an activity the booking, the workflow, the step and the attempt."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.fields = {**_ids.get(), **getattr(record, "fields", {})}
        return True


class ActivityLog(Interceptor):
    """Logs a line for each attempt that failed, and adds the booking's id to every line."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _LoggedActivity(super().intercept_activity(next))


class _LoggedActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        token = _ids.set(_identify(activity.info(), input.args))
        begun = time.perf_counter()
        try:
            return await super().execute_activity(input)
        except Exception as error:
            final = isinstance(error, ApplicationError) and error.non_retryable
            fields = {"ms": round((time.perf_counter() - begun) * 1000, 1), "final": final}
            log.warning("attempt failed", exc_info=True, extra={"fields": fields})
            raise
        finally:
            _ids.reset(token)


def _identify(info: activity.Info, args: Any) -> dict[str, Any]:
    first = args[0] if args else None
    booking_id = getattr(first, "booking_id", first)
    about = {"booking_id": booking_id} if str(booking_id).startswith(_BOOKING) else {}
    return about | {"workflow_id": info.workflow_id, "step": info.activity_type, "attempt": info.attempt}
