"""Log lines as JSON, one object per line, for API and worker."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

_DEEPEST_CAUSE: Final = 5
_TELL_THEIR_TEXT: Final = (ApplicationError, OSError)
"""Errors whose text is ours or the system's. Other systems' texts may quote a row, a card or an address."""


class JsonLines(logging.Formatter):
    """Writes a record as `{"at", "level", "logger", "message", …}`.

    A caller adds members with `extra={"fields": {…}}`; Temporal's SDK adds the workflow a line is about.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for source in ("temporal_workflow", "temporal_activity", "fields"):
            line |= getattr(record, source, {})
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            line |= {"error": describe_error(error), "where": _where(error)}
        return json.dumps(line, default=str, ensure_ascii=False)


def describe_error(error: BaseException) -> str:
    """Name an error and its causes, without texts that may hold a guest's data."""
    return " from ".join(
        f"{type(cause).__qualname__}: {cause}"
        if isinstance(cause, _TELL_THEIR_TEXT)
        else type(cause).__qualname__
        for cause in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(_DEEPEST_CAUSE):
        if cause is not None:
            yield cause
            cause = cause.__cause__


def _where(error: BaseException) -> list[str]:
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    ]


def write_json_lines(level: str, *filters: logging.Filter) -> None:
    """Send all of the process's log lines to standard error.

    Args:
        level: the lowest level to write, such as `INFO`.
        filters: add fields to each line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for each in filters:
        handler.addFilter(each)
    logging.basicConfig(level=level, handlers=[handler])
    # httpx and stripe log each URL they call; a payment's URL must not be logged.
    for noisy in ("httpx", "httpcore", "stripe"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # activities/call_log.py logs each failed attempt itself, without the texts of its causes.
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)
    # These are fields of the line instead.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
