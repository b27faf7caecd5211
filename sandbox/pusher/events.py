"""The bodies of the HTTP API, and Pusher's limits on them.

Source: pusher.com/docs/channels/library_auth_reference/rest-api.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, Field, StrictStr, ValidationError, model_validator

from sandbox.pusher.errors import RefusedRequestError

MAX_DATA_BYTES = 10_240
MAX_CHANNELS = 100
MAX_BATCH = 10
_CHANNEL = re.compile(r"[-a-zA-Z0-9_=@,.;]{1,200}")

Body = TypeVar("Body", bound=BaseModel)


def channel_problem(name: str) -> str | None:
    """The reason why `name` is not a valid channel name, or None."""
    return None if _CHANNEL.fullmatch(name) else f"Invalid channel name {name[:210]!r}"


def _channel(name: str) -> str:
    if problem := channel_problem(name):
        raise ValueError(problem)
    return name


ChannelName = Annotated[StrictStr, AfterValidator(_channel)]
EventName = Annotated[StrictStr, Field(min_length=1, max_length=200)]
SocketId = Annotated[StrictStr, Field(pattern=r"^\d+\.\d+$")]


class EventTrigger(BaseModel):
    """`POST /apps/{id}/events`: one event for one channel or several, or for all but one socket."""

    name: EventName
    data: StrictStr
    channels: Annotated[list[ChannelName], Field(min_length=1, max_length=MAX_CHANNELS)] | None = None
    channel: ChannelName | None = None
    socket_id: SocketId | None = None

    @model_validator(mode="after")
    def _one_way_to_say_where(self) -> EventTrigger:
        if (self.channels is None) == (self.channel is None):
            raise ValueError("give either channels or channel")
        return self

    def events(self) -> list[PusherEvent]:
        """One event per channel, in the order given."""
        channels = self.channels or ([self.channel] if self.channel else [])
        return [
            PusherEvent(channel=channel, name=self.name, data=self.data, socket_id=self.socket_id)
            for channel in channels
        ]


class PusherEvent(BaseModel):
    """One event for one channel; an element of a batch."""

    channel: ChannelName
    name: EventName
    data: StrictStr
    socket_id: SocketId | None = None


class EventBatch(BaseModel):
    """`POST /apps/{id}/batch_events`."""

    batch: Annotated[list[PusherEvent], Field(max_length=MAX_BATCH)]

    def events(self) -> list[PusherEvent]:
        """The batch's events, in the order given."""
        return self.batch


def parse(kind: type[Body], body: bytes) -> Body:
    """Read a request's body.

    Raises:
        Refused: 400 if it is malformed or over a limit.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise RefusedRequestError(400, f"{where}: {first['msg']}") from error


def check_sizes(events: list[PusherEvent]) -> None:
    """Refuse events whose data is over Pusher's limit.

    Raises:
        Refused: 413.
    """
    for event in events:
        if len(event.data.encode()) > MAX_DATA_BYTES:
            raise RefusedRequestError(
                413, f"The data content of this event exceeds the allowed maximum ({MAX_DATA_BYTES} bytes)"
            )
