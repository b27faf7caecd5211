"""Histories with empty workflow tasks: a server may make one for an update that is refused.

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
    """The history, with an empty task wherever one could have come, as late as it could."""
    content = json.loads(history.to_json())
    content["events"] = list(_with_empty_tasks(content["events"]))
    return WorkflowHistory.from_json(history.workflow_id, json.dumps(content))


def _with_empty_tasks(events: list[Json]) -> Iterator[Json]:
    renumbered: dict[int, int] = {0: 0}
    number = 0
    for index, event in enumerate(events):
        number += 1
        renumbered[int(event["eventId"])] = number
        yield _renumber_references(event, renumbered)
        following = events[index + 1 :]
        if following and _ends_task(event) and _is_external(following[0]):
            yield from _empty_task(number, _written_at(following))
            number += len(_TASK)


def _ends_task(event: Json) -> bool:
    """Whether the event is a workflow task's last, or one of its commands."""
    return event["eventType"] == _KIND + "COMPLETED" or not _is_external(event)


def _is_external(event: Json) -> bool:
    """Whether no workflow task wrote the event."""
    attributes = next(value for key, value in event.items() if key.endswith("EventAttributes"))
    return not {"workflowTaskCompletedEventId", "acceptedRequest", "meta"} & attributes.keys()


def _written_at(events: list[Json]) -> str:
    """When the first of the events was written; the start of an activity is, together with its end."""
    is_start = events[0]["eventType"] == "EVENT_TYPE_ACTIVITY_TASK_STARTED"
    return str(events[1 if is_start and len(events) > 1 else 0]["eventTime"])


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


def _renumber_references(value: Any, renumbered: dict[int, int]) -> Any:
    """A copy whose references to events follow their new numbers; an event refers to earlier ones and to itself."""
    if isinstance(value, list):
        return [_renumber_references(each, renumbered) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: str(renumbered[int(each)])
        if key.lower().endswith("eventid")
        else _renumber_references(each, renumbered)
        for key, each in value.items()
    }
