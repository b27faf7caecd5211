"""Events. https://docs.stripe.com/api/events"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import stripe

from sandbox.stripe.errors import no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.shapes import PRIVATE, Obj, shaped
from sandbox.stripe.store import Store


@dataclass(frozen=True)
class Origin:
    """The request that caused a change; both parts are empty if time did."""

    request_id: str | None = None
    idempotency_key: str | None = None


def new_event(
    type_: str, obj: Obj, *, created: int, origin: Origin, previous: Obj | None = None, pending: int = 0
) -> Obj:
    """Return an event about an object as it is now.

    Args:
        type_: such as `charge.refunded`.
        obj: the object; the event keeps a copy.
        created: Unix time in seconds.
        origin: the cause.
        previous: the previous values of the changed fields.
        pending: the number of endpoints that have not received it yet.
    """
    data: dict[str, Any] = {"object": {name: value for name, value in obj.items() if name != PRIVATE}}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": stripe.api_version,
        "created": created,
        "data": data,
        "livemode": False,
        "pending_webhooks": pending,
        "request": {"id": origin.request_id, "idempotency_key": origin.idempotency_key},
        "type": type_,
    }


def rendered(store: Store, event: Obj) -> Obj:
    """Return an event in its full shape, with the number of pending deliveries."""
    row = store.execute(
        "SELECT count(*) AS n FROM deliveries WHERE event_id = ? AND state = 'pending'", event["id"]
    ).fetchone()
    return shaped({**event, "pending_webhooks": min(row["n"], 1)})


def found_event(store: Store, event_id: str) -> Obj:
    """Return an event.

    Raises:
        ApiError: there is none with that id.
    """
    event = store.find("event", event_id)
    if event is None:
        raise no_such("event", event_id, "id")
    return event
