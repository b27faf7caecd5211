"""Refunds. https://docs.stripe.com/refunds"""

from __future__ import annotations

from sandbox.stripe.cards import REFUND_SETTLES_AFTER_S, RefundCourse
from sandbox.stripe.errors import ApiError, invalid
from sandbox.stripe.ids import new_id
from sandbox.stripe.money import shown
from sandbox.stripe.shapes import PRIVATE, Obj
from sandbox.stripe.state import StripeChange


def new_refund(
    change: StripeChange,
    charge: Obj,
    amount: int,
    *,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
    released: bool = False,
) -> Obj:
    """Return a new refund of a charge, unsaved. `released` marks the release of a hold."""
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None if released else new_id("txn"),
        "charge": charge["id"],
        "created": change.now_s,
        "currency": charge["currency"],
        "destination_details": {"type": "card", "card": {"type": "reversal" if released else "refund"}},
        "metadata": metadata or {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": "succeeded",
        PRIVATE: {"released": released},
    }


def refund(
    change: StripeChange,
    intent: Obj,
    charge: Obj | None,
    amount: int | None,
    *,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Obj:
    """Refund captured money and return the refund.

    Args:
        change: the change it is part of.
        intent: the PaymentIntent.
        charge: its charge; None if it never had one.
        amount: in Stripe's minor units; None for the whole rest.
        reason: Stripe's reason code.
        metadata: stored with the refund.

    Raises:
        ApiError: nothing was captured, less than the amount is left, or the charge is disputed.
    """
    if charge is None or charge["status"] != "succeeded" or intent["status"] == "canceled":
        raise ApiError(
            400, f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        )
    if not charge["captured"]:
        raise ApiError(
            400,
            f"This uncaptured Charge was created by a PaymentIntent ({intent['id']}). You must cancel the "
            "PaymentIntent to reverse the authorization instead of refunding the Charge directly.",
        )
    left = charge["amount"] - charge["amount_refunded"]
    amount = left if amount is None else amount
    _check(charge, amount, left)
    made = new_refund(change, charge, amount, reason=reason, metadata=metadata)
    course = intent[PRIVATE].get("refunds", RefundCourse.SUCCEEDS)
    if course != RefundCourse.SUCCEEDS:
        made[PRIVATE]["due_at"] = change.now_s + REFUND_SETTLES_AFTER_S
    if course == RefundCourse.PENDS:
        made |= {"status": "pending", "pending_reason": "processing"}
    previous = {"amount_refunded": charge["amount_refunded"], "refunded": False}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    intent[PRIVATE]["returned"] += amount
    for obj in (made, charge, intent):
        change.store.save(obj)
    change.emit("refund.created", made)
    change.emit("charge.refunded", charge, previous)
    return made


def settle(change: StripeChange, made: Obj) -> None:
    """Finish a refund that is due: a pending one succeeds, a succeeded one fails."""
    if made["status"] != "pending":
        fail(change, made)
        return
    made |= {"status": "succeeded", "pending_reason": None}
    made[PRIVATE]["due_at"] = None
    change.store.save(made)
    change.emit("refund.updated", made, {"status": "pending"})


def fail(change: StripeChange, made: Obj) -> None:
    """Fail a refund: the bank returns the money to the merchant.

    Raises:
        ApiError: it has failed already, or is the release of a hold.
    """
    if made["status"] not in {"pending", "succeeded"} or made[PRIVATE]["released"]:
        raise ApiError(400, f"Refund {made['id']} cannot fail: its status is {made['status']}.")
    previous = {"status": made["status"]}
    made |= {
        "status": "failed",
        "pending_reason": None,
        "failure_reason": "lost_or_stolen_card",
        "failure_balance_transaction": new_id("txn"),
    }
    made[PRIVATE]["due_at"] = None
    charge = change.store.get("charge", made["charge"])
    charge |= {"amount_refunded": charge["amount_refunded"] - made["amount"], "refunded": False}
    intent = change.store.get("payment_intent", made["payment_intent"])
    intent[PRIVATE]["returned"] -= made["amount"]
    for obj in (made, charge, intent):
        change.store.save(obj)
    change.emit("refund.updated", made, previous)
    change.emit("refund.failed", made, previous)


def _check(charge: Obj, amount: int, left: int) -> None:
    charge_id = charge["id"]
    if charge["disputed"]:
        message = f"Charge {charge_id} has been charged back; cannot issue a refund."
        raise ApiError(400, message, code="charge_disputed")
    if left == 0:
        message = f"Charge {charge_id} has already been refunded."
        raise ApiError(400, message, code="charge_already_refunded")
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        raise invalid(message, code="parameter_invalid_integer", param="amount")
    if amount > left:
        raise ApiError(
            400,
            f"Refund amount ({shown(amount, charge['currency'])}) is greater than unrefunded amount on charge "
            f"({shown(left, charge['currency'])})",
            param="amount",
        )
