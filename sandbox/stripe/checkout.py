"""Checkout sessions in payment mode. https://docs.stripe.com/api/checkout/sessions"""

from __future__ import annotations

from typing import Any

from sandbox.stripe.cards import Card, CardBehaviour
from sandbox.stripe.errors import ApiError
from sandbox.stripe.ids import new_id
from sandbox.stripe.payments import authorize, close_unpaid, create_intent, fail, require_action
from sandbox.stripe.session_request import (
    ECHOED,
    check_addresses,
    check_total,
    check_understood,
    expires_at_of,
    line_items_of,
)
from sandbox.stripe.shapes import PRIVATE, Obj
from sandbox.stripe.state import StripeChange


def create_session(change: StripeChange, params: dict[str, Any], base_url: str) -> Obj:
    """Create a session from parameters whose names and types have been checked.

    Raises:
        ApiError: Stripe would refuse them, or the stand-in does not support them.
    """
    check_understood(params)
    line_items, currency = line_items_of(params)
    total = sum(item["amount_total"] for item in line_items)
    check_total(total, currency)
    check_addresses(params)
    expires_at = expires_at_of(params, change.now_s)
    session_id = new_id("cs_test")
    session: Obj = {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False},
        "collected_information": {},
        "created": change.now_s,
        "currency": currency,
        "custom_fields": [],
        "custom_text": {},
        "customer_creation": "if_required",
        "discounts": [],
        "expires_at": expires_at,
        "invoice_creation": {"enabled": False, "invoice_data": {}},
        "livemode": False,
        "metadata": {},
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "submit_type": "pay",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{base_url}/c/pay/{session_id}",
        PRIVATE: {
            "due_at": expires_at,
            "line_items": line_items,
            "payment_intent_data": params.get("payment_intent_data", {}),
        },
    }
    own_options = session["payment_method_options"]["card"]
    session |= {name: params[name] for name in ECHOED & params.keys() if params[name] != ""}
    session["payment_method_options"] = {
        "card": own_options | session["payment_method_options"].get("card", {})
    }
    change.store.save(session)
    return session


def expire(change: StripeChange, session: Obj) -> None:
    """Close an open session, and cancel its PaymentIntent if it has one.

    Raises:
        ApiError: it is complete or has expired.
    """
    if session["status"] != "open":
        raise ApiError(
            400,
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of `{session['status']}`.",
        )
    session |= {"status": "expired", "url": None}
    session[PRIVATE]["due_at"] = None
    change.store.save(session)
    if session.get("payment_intent"):
        close_unpaid(change, change.store.get("payment_intent", session["payment_intent"]))
    change.emit("checkout.session.expired", session)


def pay(change: StripeChange, session: Obj, card: Card, hold_s: int | None) -> str | None:
    """Pay an open session with a card, as the guest; return the problem, if any.

    Afterwards the session is complete, or open with its PaymentIntent in `requires_action` (the 3-D Secure
    step is due) or `requires_payment_method` (another card is wanted).
    """
    intent = session_intent(change, session) or create_intent(change, session)
    session["payment_intent"] = intent["id"]
    change.store.save(session)
    if card.behaviour is CardBehaviour.DECLINED:
        return fail(change, intent, card, session.get("customer_email"))
    if card.behaviour is CardBehaviour.CHALLENGED:
        require_action(change, intent, card, hold_s)
        return None
    _complete(change, session, intent, card, hold_s)
    return None


def authenticate(change: StripeChange, session: Obj, card: Card, *, passed: bool) -> str | None:
    """End the 3-D Secure step; return the problem, if any."""
    intent = session_intent(change, session)
    assert intent is not None
    if not passed:
        return fail(change, intent, card, session.get("customer_email"))
    _complete(change, session, intent, card, intent[PRIVATE]["hold_s"])
    return None


def session_intent(change: StripeChange, session: Obj) -> Obj | None:
    """Return the session's PaymentIntent, if there is one yet."""
    intent_id = session.get("payment_intent")
    return change.store.get("payment_intent", intent_id) if intent_id else None


def _complete(change: StripeChange, session: Obj, intent: Obj, card: Card, hold_s: int | None) -> None:
    email = session.get("customer_email")
    session |= {"status": "complete", "url": None}
    session["customer_details"] = {"email": email, "tax_exempt": "none", "tax_ids": []}
    session[PRIVATE]["due_at"] = None
    change.store.save(session)
    authorize(change, intent, card, hold_s, email)
    # With automatic capture the money was taken at once, which made the session `paid`.
    change.emit("checkout.session.completed", change.store.get("checkout.session", session["id"]))
