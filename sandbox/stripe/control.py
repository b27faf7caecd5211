"""The control API under `/_sandbox/`, for tests and demos.

Requests under `/_sandbox/dashboard/` act as a person in the Stripe Dashboard, or as the passing of time.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from sandbox.faults import faults_router
from sandbox.stripe.checkout import expire
from sandbox.stripe.disputes import close_dispute, open_dispute, submit_evidence
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import Origin, found_event
from sandbox.stripe.holds import place_holds
from sandbox.stripe.ids import new_id
from sandbox.stripe.lapses import sweep
from sandbox.stripe.ledger import ledger
from sandbox.stripe.payments import cancel, capture, lapse
from sandbox.stripe.refunds import fail, refund
from sandbox.stripe.resources import found
from sandbox.stripe.shapes import Obj, shaped
from sandbox.stripe.state import Sandbox, StripeChange
from sandbox.stripe.webhooks import EVERYTHING, Endpoint

Limit = Annotated[int, Query(ge=1, le=10_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Amount(_Body):
    """An amount in Stripe's minor units; the whole amount if absent. `reason` is Stripe's code."""

    amount: Annotated[int, Field(ge=1)] | None = None
    reason: str | None = None


class _DisputeDecision(_Body):
    won: bool = False


class _SyntheticEvent(_Body):
    """An event about a stored object, by id, or about the content of `object`."""

    type: str
    id: str | None = None
    object: dict[str, Any] | None = None


class _Count(_Body):
    count: Annotated[int, Field(ge=1, le=1000)] = 1


class _EndpointBody(_Body):
    """The webhook endpoint. Without `url`, events are stored and not sent. `secret` may hold several, with commas."""

    url: str | None
    secret: str | None = None
    secrets: list[str] | None = None
    enabled_events: list[str] = [EVERYTHING]


class _Holds(_Body):
    """Bookings whose guests have paid `amount` each, in Stripe's minor units. No webhook is sent."""

    bookings: list[str]
    amount: int
    currency: str
    hotel: str


class _Latency(_Body):
    ms: Annotated[int, Field(ge=0, le=60_000)]


class _Time(_Body):
    """Either `now`, as Unix time in seconds, or `offset_s`, in seconds ahead of the computer's time."""

    now: float | None = None
    offset_s: float | None = None


def control_routers(sandbox: Sandbox) -> list[APIRouter]:
    """All routers of the control API."""
    return [
        _observing(sandbox),
        _payments(sandbox),
        _disputes(sandbox),
        _webhooks(sandbox),
        faults_router(sandbox.faults),
    ]


def _observing(sandbox: Sandbox) -> APIRouter:
    router = APIRouter(prefix="/_sandbox", tags=["control"])

    @router.get("/ledger")
    async def read_ledger(
        payment_intent: str | None = None, booking_id: str | None = None, limit: Limit | None = None
    ) -> dict[str, Any]:
        sweep(sandbox)
        return ledger(sandbox.store, payment_intent=payment_intent, booking_id=booking_id, limit=limit)

    @router.get("/requests")
    async def requests(limit: Limit = 100) -> dict[str, Any]:
        return sandbox.requests.summary(limit)

    @router.delete("/requests")
    async def forget_requests() -> dict[str, bool]:
        sandbox.requests.clear()
        return {"cleared": True}

    @router.post("/holds")
    async def holds(body: _Holds) -> dict[str, str]:
        return place_holds(sandbox, body.bookings, body.amount, body.currency, body.hotel)

    @router.post("/latency")
    async def latency(body: _Latency) -> dict[str, int]:
        sandbox.latency_s = body.ms / 1000
        return {"ms": body.ms}

    @router.post("/clock")
    async def set_clock(body: _Time) -> dict[str, float]:
        if (body.now is None) is (body.offset_s is None):
            raise HTTPException(422, "give either now or offset_s")
        if body.now is not None:
            sandbox.clock.set(body.now)
        else:
            sandbox.clock.move(body.offset_s or 0.0)
        sweep(sandbox)
        return read_clock()

    @router.get("/clock")
    async def clock() -> dict[str, float]:
        return read_clock()

    def read_clock() -> dict[str, float]:
        return {"now": sandbox.clock.now_s(), "offset_s": sandbox.clock.offset_s}

    @router.get("/latency")
    async def read_latency() -> dict[str, int]:
        return {"ms": round(sandbox.latency_s * 1000)}

    return router


def _payments(sandbox: Sandbox) -> APIRouter:
    router = APIRouter(prefix="/_sandbox/dashboard", tags=["dashboard"])

    def intent_of(change: StripeChange, intent_id: str) -> Obj:
        return found(change.store, "payment_intent", intent_id, "intent")

    @router.post("/payment_intents/{intent_id}/capture")
    async def do_capture(intent_id: str, body: _Amount | None = None) -> Obj:
        sweep(sandbox)
        with sandbox.change(_person()) as change:
            intent = intent_of(change, intent_id)
            capture(change, intent, body.amount if body else None)
        return shaped(intent)

    @router.post("/payment_intents/{intent_id}/cancel")
    async def do_cancel(intent_id: str, body: _Amount | None = None) -> Obj:
        sweep(sandbox)
        with sandbox.change(_person()) as change:
            intent = intent_of(change, intent_id)
            cancel(change, intent, (body and body.reason) or "requested_by_customer")
        return shaped(intent)

    @router.post("/payment_intents/{intent_id}/refund")
    async def do_refund(intent_id: str, body: _Amount | None = None) -> Obj:
        asked = body or _Amount()
        with sandbox.change(_person()) as change:
            intent = intent_of(change, intent_id)
            charge_id = intent.get("latest_charge")
            charge = change.store.get("charge", charge_id) if charge_id else None
            made = refund(change, intent, charge, asked.amount, reason=asked.reason)
        return shaped(made)

    @router.post("/refunds/{refund_id}/fail")
    async def do_fail(refund_id: str) -> Obj:
        with sandbox.change() as change:
            made = found(change.store, "refund", refund_id, "refund_id")
            fail(change, made)
        return shaped(made)

    @router.post("/payment_intents/{intent_id}/lapse")
    async def do_lapse(intent_id: str) -> Obj:
        with sandbox.change() as change:
            intent = intent_of(change, intent_id)
            if intent["status"] != "requires_capture":
                raise invalid(f"PaymentIntent {intent_id} has no hold: its status is {intent['status']}.")
            lapse(change, intent)
        return shaped(intent)

    @router.post("/checkout/sessions/{session_id}/lapse")
    async def do_expire(session_id: str) -> Obj:
        with sandbox.change() as change:
            session = found(change.store, "checkout.session", session_id, "session")
            expire(change, session)
        return shaped(session)

    return router


def _disputes(sandbox: Sandbox) -> APIRouter:
    router = APIRouter(prefix="/_sandbox/dashboard", tags=["dashboard"])

    def charge_of(change: StripeChange, charge_id: str) -> Obj:
        return found(change.store, "charge", charge_id, "charge_id")

    @router.post("/charges/{charge_id}/dispute")
    async def dispute(charge_id: str, body: _Amount | None = None) -> Obj:
        with sandbox.change() as change:
            charge = charge_of(change, charge_id)
            intent = change.store.get("payment_intent", charge["payment_intent"])
            made = open_dispute(change, intent, charge, body.amount if body else None)
        return shaped(made)

    @router.post("/charges/{charge_id}/dispute/evidence")
    async def evidence(charge_id: str) -> Obj:
        with sandbox.change() as change:
            answered = submit_evidence(change, charge_of(change, charge_id))
        return shaped(answered)

    @router.post("/charges/{charge_id}/dispute/close")
    async def close(charge_id: str, body: _DisputeDecision | None = None) -> Obj:
        with sandbox.change() as change:
            decided = close_dispute(change, charge_of(change, charge_id), won=bool(body and body.won))
        return shaped(decided)

    return router


def _webhooks(sandbox: Sandbox) -> APIRouter:
    router = APIRouter(prefix="/_sandbox", tags=["webhooks"])

    @router.post("/events")
    async def emit(body: _SyntheticEvent) -> dict[str, str]:
        with sandbox.change() as change:
            change.emit(body.type, _subject(change, body))
        return {"id": change.event_ids[0]}

    @router.post("/webhooks/{event_id}/redeliver")
    async def redeliver(event_id: str, body: _Count | None = None) -> dict[str, list[int]]:
        if sandbox.deliverer.endpoint is None:
            raise HTTPException(409, "no webhook endpoint is set")
        event = found_event(sandbox.store, event_id)
        return {"deliveries": sandbox.deliverer.redeliver(event, body.count if body else 1)}

    @router.get("/webhooks")
    async def deliveries(event_id: str | None = None, limit: Limit = 200) -> dict[str, Any]:
        return {"deliveries": sandbox.deliverer.listed(event_id, limit)}

    @router.get("/webhook_endpoint")
    async def endpoint() -> dict[str, Any]:
        return _told(sandbox.deliverer.endpoint)

    @router.put("/webhook_endpoint")
    @router.post("/webhook_endpoint")
    async def set_endpoint(body: _EndpointBody) -> dict[str, Any]:
        secrets = body.secrets or [part.strip() for part in (body.secret or "").split(",") if part.strip()]
        if body.url is not None and not secrets:
            raise HTTPException(422, "an endpoint needs a secret")
        endpoint = Endpoint(body.url, tuple(secrets), tuple(body.enabled_events)) if body.url else None
        sandbox.deliverer.configure(endpoint)
        return _told(endpoint)

    return router


def _told(endpoint: Endpoint | None) -> dict[str, Any]:
    if endpoint is None:
        return {"url": None, "secrets": [], "enabled_events": []}
    return {
        "url": endpoint.url,
        "secrets": list(endpoint.secrets),
        "enabled_events": list(endpoint.events),
    }


def _subject(change: StripeChange, body: _SyntheticEvent) -> Obj:
    if body.id is not None:
        for kind in ("payment_intent", "checkout.session", "charge", "refund", "dispute"):
            if obj := change.store.find(kind, body.id):
                return obj
    if body.object is None:
        raise HTTPException(404, f"no object {body.id!r}")
    # Shaping needs a known kind; the caller chooses the other fields.
    return {"object": "payment_intent", "created": change.now_s, **body.object}


def _person() -> Origin:
    return Origin(new_id("req"), None)
