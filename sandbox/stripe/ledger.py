"""The ledger: all payments with their captures and refunds, for tests and demos."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.shapes import PRIVATE, Obj
from sandbox.stripe.store import ListPage, Store

_SESSION_FIELDS = (
    "id status payment_status payment_intent amount_total currency client_reference_id created expires_at "
    "metadata"
)
_REFUND_FIELDS = "id payment_intent charge amount currency reason status created metadata"
_DISPUTE_FIELDS = "id payment_intent charge amount currency reason status created"


def ledger(
    store: Store,
    *,
    payment_intent: str | None = None,
    booking_id: str | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Return PaymentIntents, sessions, refunds and disputes, newest first.

    Args:
        store: the stand-in's store.
        payment_intent: only this one, and its related objects.
        booking_id: only those with this `booking_id` in their metadata, and their related objects.
        limit: the largest number of each kind.
    """
    own: dict[str, Any] = {}
    related: dict[str, Any] = {}
    sessions: dict[str, Any] = {}
    if payment_intent is not None:
        own["id = ?"] = payment_intent
        related["payment_intent = ?"] = sessions["payment_intent = ?"] = payment_intent
    if booking_id is not None:
        own["booking_id = ?"] = sessions["booking_id = ?"] = booking_id
        related["payment_intent IN (SELECT id FROM objects WHERE booking_id = ?)"] = booking_id
    page = ListPage(limit) if limit else None
    return {
        "payment_intents": [_intent(store, obj) for obj in store.select("payment_intent", own, page)][:limit],
        "sessions": [_session(obj) for obj in store.select("checkout.session", sessions, page)][:limit],
        "refunds": [_refund(obj) for obj in store.select("refund", related, page)][:limit],
        "disputes": [_picked(obj, _DISPUTE_FIELDS) for obj in store.select("dispute", related, page)][:limit],
    }


def _intent(store: Store, intent: Obj) -> dict[str, Any]:
    private = intent[PRIVATE]
    charge_id = intent.get("latest_charge")
    charge = store.get("charge", charge_id) if charge_id else {}
    return {
        **_picked(intent, "id status amount currency amount_capturable amount_received capture_method"),
        "booking_id": intent["metadata"].get("booking_id"),
        "metadata": intent["metadata"],
        # Captured money only; a released hold was never taken.
        "refunded": private["returned"],
        "released": private["released"],
        "captures": private["captures"],
        "cancellation_reason": intent.get("cancellation_reason"),
        "created": intent["created"],
        "authorized_at": charge.get("created") if charge.get("paid") else None,
        "capture_before": private.get("capture_before"),
        "session": private["session"],
        "charge": charge_id,
        "disputed": charge.get("disputed", False),
    }


def _session(session: Obj) -> dict[str, Any]:
    booking_id = (session.get("metadata") or {}).get("booking_id")
    return {**_picked(session, _SESSION_FIELDS), "booking_id": booking_id}


def _refund(refund: Obj) -> dict[str, Any]:
    return {**_picked(refund, _REFUND_FIELDS), "released": refund[PRIVATE]["released"]}


def _picked(obj: Obj, names: str) -> dict[str, Any]:
    return {name: obj.get(name) for name in names.split()}
