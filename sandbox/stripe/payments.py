"""PaymentIntents and their charges: authorization, capture, cancellation, and the lapse of a hold.

https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
Every function changes objects within a `StripeChange` and emits the events Stripe would. A released hold counts as
`amount_refunded` on the charge, as at Stripe, whether a cancellation, a partial capture or its lapse released it.
"""

from __future__ import annotations

from typing import Any

from sandbox.stripe.balance import new_balance_transaction
from sandbox.stripe.cards import Card, CardBehaviour
from sandbox.stripe.disputes import open_dispute
from sandbox.stripe.errors import ApiError, invalid, unexpected_state
from sandbox.stripe.ids import new_id
from sandbox.stripe.refunds import new_refund
from sandbox.stripe.shapes import PRIVATE, Obj
from sandbox.stripe.state import StripeChange

CANCELABLE = "requires_payment_method, requires_capture, requires_confirmation, requires_action, processing"


def create_intent(change: StripeChange, session: Obj) -> Obj:
    """Create the PaymentIntent of a Checkout session, at the guest's first confirmation."""
    asked = session[PRIVATE]["payment_intent_data"]
    intent_id = new_id("pi")
    intent: Obj = {
        "id": intent_id,
        "object": "payment_intent",
        "allowed_payment_method_types": session.get("allowed_payment_method_types"),
        "amount": session["amount_total"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "capture_method": asked.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_secret_{new_id('x').removeprefix('x_')}",
        "confirmation_method": "automatic",
        "created": change.now_s,
        "currency": session["currency"],
        "description": asked.get("description"),
        "livemode": False,
        # `payment_intent_data` only: the session's own metadata are not copied.
        "metadata": asked.get("metadata") or {},
        "payment_method_options": {"card": session.get("payment_method_options", {}).get("card", {})},
        "payment_method_types": ["card"],
        "receipt_email": asked.get("receipt_email"),
        "statement_descriptor": asked.get("statement_descriptor"),
        "statement_descriptor_suffix": asked.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        PRIVATE: {"session": session["id"], "captures": 0, "released": 0, "returned": 0},
    }
    change.store.save(intent)
    change.emit("payment_intent.created", intent)
    return intent


def require_action(change: StripeChange, intent: Obj, card: Card, hold_s: int | None) -> None:
    """Require a 3-D Secure step; `authorize` or `fail` follows."""
    intent |= {
        "status": "requires_action",
        "payment_method": new_id("pm"),
        "last_payment_error": None,
        "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}},
    }
    intent[PRIVATE] |= {"card": card.number[-4:], "hold_s": hold_s}
    change.store.save(intent)
    change.emit("payment_intent.requires_action", intent)


def fail(change: StripeChange, intent: Obj, card: Card, email: str | None) -> str:
    """Fail an attempt and return the reason for the guest; the PaymentIntent waits for another card."""
    challenged = intent["status"] == "requires_action"
    error: Obj = {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}
    error["message"] = "Your card was declined."
    if challenged:
        error = {"type": "invalid_request_error", "code": "payment_intent_authentication_failure"}
        error["message"] = "We are unable to authenticate your payment method. Please choose another one."
    else:
        charge = _new_charge(change, intent, card, email) | {
            "status": "failed",
            "paid": False,
            "amount_captured": 0,
            "failure_code": error["code"],
            "failure_message": error["message"],
            "outcome": {"type": "issuer_declined", "network_status": "declined_by_network"},
        }
        error["charge"] = intent["latest_charge"] = charge["id"]
        change.store.save(charge)
        change.emit("charge.failed", charge)
    intent |= {"status": "requires_payment_method", "last_payment_error": error}
    intent |= {"next_action": None, "payment_method": None}
    change.store.save(intent)
    change.emit("payment_intent.payment_failed", intent)
    return str(error["message"])


def authorize(change: StripeChange, intent: Obj, card: Card, hold_s: int | None, email: str | None) -> Obj:
    """Place the hold, or take the money if capture is automatic. Return the charge."""
    charge = _new_charge(change, intent, card, email)
    manual = intent["capture_method"] == "manual"
    if manual:
        is_extended = hold_s is None and _is_extended(intent, card)
        if is_extended:
            charge["payment_method_details"]["card"]["extended_authorization"] = {"status": "enabled"}
        usual_s = hold_s or card.hold_s
        capture_before = change.now_s + ((card.extended_hold_s if is_extended else None) or usual_s)
        if card.names_end:
            charge["payment_method_details"]["card"]["capture_before"] = capture_before
        intent[PRIVATE] |= {"due_at": capture_before, "capture_before": capture_before}
    intent[PRIVATE] |= {
        "disputed_card": card.behaviour is CardBehaviour.DISPUTED,
        "refunds": card.refunds.value,
    }
    intent |= {
        "status": "requires_capture",
        "amount_capturable": intent["amount"],
        "latest_charge": charge["id"],
        "payment_method": charge["payment_method"],
        "last_payment_error": None,
        "next_action": None,
    }
    change.store.save(charge)
    change.store.save(intent)
    change.emit("charge.succeeded", charge)
    if manual:
        change.emit("payment_intent.amount_capturable_updated", intent)
    else:
        _take(change, intent, charge, intent["amount"])
    return charge


def _is_extended(intent: Obj, card: Card) -> bool:
    asked = intent["payment_method_options"]["card"].get("request_extended_authorization")
    return asked == "if_available" and card.extended_hold_s is not None


def capture(change: StripeChange, intent: Obj, amount: int | None) -> None:
    """Capture a hold, once; the remainder is released.

    Args:
        change: the change it is part of.
        intent: the PaymentIntent; changed and saved.
        amount: in Stripe's minor units; None for the whole hold.

    Raises:
        ApiError: the PaymentIntent has no hold, or a smaller one.
    """
    if intent["status"] == "succeeded":
        message = "This PaymentIntent could not be captured because it has already been captured."
        raise unexpected_state(intent, message)
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            intent,
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a "
            "PaymentIntent with one of the following statuses may be captured: requires_capture.",
        )
    if amount is not None and amount < 1:
        message = "This value must be greater than or equal to 1."
        raise invalid(message, code="parameter_invalid_integer", param="amount_to_capture")
    if amount is not None and amount > intent["amount_capturable"]:
        raise ApiError(
            400,
            "The amount you requested to capture is greater than the amount you can capture for this charge.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = change.store.get("charge", intent["latest_charge"])
    _take(change, intent, charge, intent["amount_capturable"] if amount is None else amount)


def _take(change: StripeChange, intent: Obj, charge: Obj, amount: int) -> None:
    released = intent["amount_capturable"] - amount
    transaction = new_balance_transaction(change, charge, amount)
    charge |= {"captured": True, "amount_captured": amount, "balance_transaction": transaction["id"]}
    change.store.save(transaction)
    if released:
        _release(change, intent, charge, released, None)
    intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
    intent[PRIVATE] |= {"due_at": None, "captures": intent[PRIVATE]["captures"] + 1}
    change.store.save(charge)
    change.store.save(intent)
    session = change.store.get("checkout.session", intent[PRIVATE]["session"])
    change.store.save(session | {"payment_status": "paid"})
    if intent["capture_method"] == "manual":
        change.emit("charge.captured", charge, {"captured": False, "amount_captured": 0})
    change.emit("payment_intent.succeeded", intent)
    if released:
        change.emit("charge.refunded", charge, {"amount_refunded": 0})
    if intent[PRIVATE]["disputed_card"]:
        open_dispute(change, intent, charge, None)


def cancel(change: StripeChange, intent: Obj, reason: str | None) -> None:
    """Cancel a PaymentIntent that Checkout created, which is possible only while it holds money.

    Raises:
        ApiError: it has ended, or is not authorized yet; in the second case its session can be expired.
    """
    if intent["status"] in {"succeeded", "canceled"}:
        raise unexpected_state(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
            f"PaymentIntent with one of the following statuses may be canceled: {CANCELABLE}.",
        )
    if intent["status"] != "requires_capture":
        raise ApiError(
            400,
            "You cannot cancel this PaymentIntent because it was created by a Checkout Session. Expire the "
            f"Checkout Session ({intent[PRIVATE]['session']}) instead.",
        )
    charge = _give_back(change, intent, reason, None)
    change.emit("charge.refunded", charge, {"amount_refunded": 0, "refunded": False})
    change.emit("payment_intent.canceled", intent)


def lapse(change: StripeChange, intent: Obj) -> None:
    """Lapse a hold: Stripe cancels the PaymentIntent."""
    charge = _give_back(change, intent, "automatic", "expired_uncaptured_charge")
    change.emit("charge.expired", charge)
    change.emit("payment_intent.canceled", intent)


def close_unpaid(change: StripeChange, intent: Obj) -> None:
    """Cancel the PaymentIntent of a session that ended before it was paid."""
    intent |= {"status": "canceled", "canceled_at": change.now_s, "cancellation_reason": "expired"}
    intent |= {"next_action": None}
    change.store.save(intent)
    change.emit("payment_intent.canceled", intent)


def _give_back(change: StripeChange, intent: Obj, reason: str | None, refund_reason: str | None) -> Obj:
    charge = change.store.get("charge", intent["latest_charge"])
    _release(change, intent, charge, intent["amount_capturable"], refund_reason)
    charge["refunded"] = True
    intent |= {"status": "canceled", "amount_capturable": 0}
    intent |= {"canceled_at": change.now_s, "cancellation_reason": reason}
    intent[PRIVATE]["due_at"] = None
    change.store.save(charge)
    change.store.save(intent)
    return charge


def _release(change: StripeChange, intent: Obj, charge: Obj, amount: int, reason: str | None) -> None:
    charge["amount_refunded"] += amount
    intent[PRIVATE]["released"] += amount
    change.store.save(new_refund(change, charge, amount, reason=reason, released=True))


def _new_charge(change: StripeChange, intent: Obj, card: Card, email: str | None) -> Obj:
    details: dict[str, Any] = {
        "amount_authorized": intent["amount"],
        "authorization_code": new_id("x")[2:8].upper(),
        "brand": card.brand,
        "checks": {"cvc_check": card.cvc_check, "address_postal_code_check": card.postal_code_check},
        "country": "IE",
        "exp_month": 12,
        "exp_year": 2034,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": f"sandbox{card.number[-4:]}",
        "funding": card.funding,
        "incremental_authorization": {"status": "unavailable"},
        "last4": card.number[-4:],
        "multicapture": {"status": "unavailable"},
        "network": card.brand,
        "network_token": {"used": False},
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "wallet": {"type": card.wallet, card.wallet: {}} if card.wallet else None,
    }
    if card.behaviour is CardBehaviour.CHALLENGED:
        details["three_d_secure"] = {
            "authentication_flow": "challenge",
            "result": "authenticated",
            "version": "2.2.0",
        }
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "billing_details": {"address": {}, "email": email},
        "calculated_statement_descriptor": "SANDBOX",
        "captured": False,
        "created": change.now_s,
        "currency": intent["currency"],
        "description": intent["description"],
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "outcome": {
            "network_status": "approved_by_network",
            "risk_level": card.risk_level,
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": intent.get("payment_method") or new_id("pm"),
        "payment_method_details": {"type": "card", "card": details},
        "receipt_email": intent["receipt_email"],
        "refunded": False,
        "status": "succeeded",
    }
