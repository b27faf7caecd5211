"""Stripe's webhook: verify, keep, deliver, and only then acknowledge an event.

The order matters, see docs/decisions/05. A dependency that is away is answered 503, and Stripe tries
again; a request that is no valid event is answered 400:
https://docs.stripe.com/webhooks#retries
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final, TypeGuard

import stripe
from fastapi import APIRouter, Request

from api.auth import is_plain
from api.errors import ProblemError, problems
from api.outages import mapped_outages
from api.services import Api, Services
from dispatch.events import deliver, keep
from domain.stripe_events import AUTHORIZING, UNEXPECTED, subject_of
from models import StripeWebhookEvent

log = logging.getLogger("api.webhooks")

router = APIRouter(prefix="/api/public/hotel/room-bookings", tags=["Stripe"])

_PATH: Final = "/stripe-webhook/"
WEBHOOK_PATH: Final = router.prefix + _PATH
"""The path of Stripe's webhook endpoint below `PUBLIC_BASE_URL`."""

TOLERANCE_S: Final = 300
_TYPE_LIMIT: Final = 100


@router.post(
    _PATH,
    responses=problems(400, 413),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    },
)
async def stripe_webhook(services: Api, request: Request) -> dict[str, bool]:
    """Receive an event from Stripe."""
    payload = await request.body()
    _verify(payload, request.headers.get("stripe-signature"), services.stripe_webhook_secrets)
    event = _understood(payload, livemode=services.stripe_livemode)
    with mapped_outages():
        async with _turn(services, event):
            entry = await keep(services.database, event)
        left = await deliver(services.database, services.temporal, services.task_queue, entry, may_wait=True)
    line = {"event_id": event.event_id, "event_type": event.event_type, "outcome": left or "delivered"}
    if entry.addressee:
        # The row's id: an event's metadata may hold any text.
        line["booking_id"] = entry.addressee.booking_id
    log.info("webhook processed", extra={"fields": line})
    return {"received": True}


def _turn(services: Services, event: StripeWebhookEvent) -> AbstractAsyncContextManager[None]:
    """The turn to be kept among the events about one hold.

    Of two that arrive at once, the second is kept when the first can be seen: it is an echo. Any other event waits for
    nobody, so that a locked booking holds up several no longer than one.
    """
    if event.event_type in AUTHORIZING and event.payment_intent_id:
        return services.hold_turns.of(event.payment_intent_id)
    return nullcontext()


def _verify(payload: bytes, header: str | None, secrets: tuple[str, ...]) -> None:
    """Check the signature over the raw body, before any of it is trusted.

    Raises:
        ProblemError: 400: none of our secrets signed this, or its time is more than 300 s from now.
    """
    # The library compares text and fails on letters that no signature has.
    header = header if header and header.isascii() else None
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(payload, header, secret, TOLERANCE_S)
        except (stripe.SignatureVerificationError, ValueError):
            continue
        # The library accepts any time in the future.
        if _signed_at(header or "") <= time.time() + TOLERANCE_S:
            return
    raise ProblemError(
        400, "invalid_signature", "The signature is invalid, or its timestamp is too far from now."
    )


def _signed_at(header: str) -> int:
    # As in the library: the first `t` counts.
    return int(next(part[2:] for part in header.split(",") if part.startswith("t=")))


def _understood(payload: bytes, *, livemode: bool) -> StripeWebhookEvent:
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        raise _not_an_event() from None
    if not isinstance(event, Mapping) or event.get("object") != "event":
        raise _not_an_event()
    event_id, event_type = event.get("id"), event.get("type")
    if not (_is_name(event_id, 255) and _is_name(event_type, _TYPE_LIMIT)):
        raise _not_an_event()
    if event.get("livemode") is not livemode:
        detail = "The event is of the other mode, live or test, than the secret key."
        raise ProblemError(400, "wrong_livemode", detail)
    subject = subject_of(_object_of(event))
    if event_type in UNEXPECTED:
        log.warning("unexpected event %s: a delayed payment method is switched on at Stripe", event_type)
    return StripeWebhookEvent(
        event_id=event_id,
        event_type=event_type,
        booking_id=subject.booking_id if _is_name(subject.booking_id, 40) else None,
        session_id=subject.session_id,
        payment_intent_id=subject.payment_intent_id,
    )


def _object_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    data = event.get("data")
    found = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(found, Mapping):
        raise _not_an_event()
    return found


def _is_name(value: Any, longest: int) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= longest and is_plain(value)


def _not_an_event() -> ProblemError:
    return ProblemError(400, "invalid_payload", "This is not a Stripe event with a snapshot of its object.")
