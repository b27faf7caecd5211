"""Stripe's events, made and signed as Stripe does it."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence

import httpx

from tests.api.stack import WEBHOOK_PATH, WEBHOOK_SECRETS
from tests.workflows.servers import Json


def event(kind: str, subject: Json, **changes: object) -> Json:
    """An event with an id of its own about some object."""
    body: Json = {
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
    return body | changes


def unknown_event() -> Json:
    """An event of a type that means nothing to a booking."""
    return event("customer.created", {"id": "cus_1", "object": "customer"})


def signature(
    body: bytes, *, keys: Sequence[str] = WEBHOOK_SECRETS[:1], at: float | None = None, extra: str = ""
) -> str:
    """The header Stripe signs a body with.

    Args:
        keys: one `v1` for each.
        at: seconds since the epoch; now, if None.
        extra: put in front of the signatures.
    """
    moment = int(time.time() if at is None else at)
    signed = f"{moment}.".encode() + body
    made = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in keys]
    return ",".join([f"t={moment}", *([extra] if extra else []), *(f"v1={part}" for part in made)])


async def post_event(http: httpx.AsyncClient, api: str, body: Json) -> httpx.Response:
    """Deliver an event, well signed."""
    content = json.dumps(body).encode()
    return await post_signed(http, api, content, signature(content))


async def post_signed(
    http: httpx.AsyncClient, api: str, content: bytes, signed: str | None
) -> httpx.Response:
    """Deliver bytes under a signature, or under none."""
    headers = [("Content-Type", "application/json; charset=utf-8")]
    if signed is not None:
        headers.append(("Stripe-Signature", signed))
    return await http.post(
        api + WEBHOOK_PATH, content=content, headers=httpx.Headers(headers, encoding="utf-8")
    )
