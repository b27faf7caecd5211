"""Histories with empty workflow tasks: a server makes one when it has a question or a refused update for a workflow.

When a run replays, the SDK merges a task without commands with the empty tasks directly after it, and `workflow.now()`
is the last one's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from temporalio.client import WorkflowHistory

Json = dict[str, Any]

_TASK: Final = ("SCHEDULED", "STARTED", "COMPLETED")
_KIND: Final = "EVENT_TYPE_WORKFLOW_TASK_"


def with_empty_tasks(history: WorkflowHistory) -> WorkflowHistory:
    """The history, with an empty task after each one without commands, as late as it could have come."""
    content = json.loads(history.to_json())
    content["events"] = list(_with_empty_tasks(content["events"]))
    return WorkflowHistory.from_json(history.workflow_id, json.dumps(content))


def _with_empty_tasks(events: list[Json]) -> Iterator[Json]:
    renumbered: dict[int, int] = {0: 0}
    number = 0
    for event, following in zip(events, [*events[1:], None], strict=True):
        number += 1
        renumbered[int(event["eventId"])] = number
        yield _refer(event, renumbered)
        if (
            following is not None
            and event["eventType"] == _KIND + "COMPLETED"
            and _comes_by_itself(following)
        ):
            yield from _empty_task(number, following["eventTime"])
            number += len(_TASK)


def _comes_by_itself(event: Json) -> bool:
    """Whether no workflow task wrote the event."""
    attributes = next(value for key, value in event.items() if key.endswith("EventAttributes"))
    return not {"workflowTaskCompletedEventId", "acceptedRequest", "meta"} & attributes.keys()


def _empty_task(before: int, at: str) -> Iterator[Json]:
    scheduled, started, _ = range(before + 1, before + 1 + len(_TASK))
    attributes: tuple[Json, ...] = (
        {"taskQueue": {"name": "bookings"}, "startToCloseTimeout": "10s", "attempt": 1},
        {"scheduledEventId": str(scheduled)},
        {"scheduledEventId": str(scheduled), "startedEventId": str(started)},
    )
    for number, (name, content) in enumerate(zip(_TASK, attributes, strict=True), before + 1):
        yield {
            "eventId": str(number),
            "eventTime": at,
            "eventType": _KIND + name,
            f"workflowTask{name.title()}EventAttributes": content,
        }


def _refer(value: Any, renumbered: dict[int, int]) -> Any:
    """A copy whose references to events follow their new numbers; an event refers to earlier ones and to itself."""
    if isinstance(value, list):
        return [_refer(each, renumbered) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: str(renumbered[int(each)]) if key.lower().endswith("eventid") else _refer(each, renumbered)
        for key, each in value.items()
    }
