"""Disputes, as far as a merchant's server sees them. https://docs.stripe.com/disputes"""

from __future__ import annotations

from sandbox.stripe.errors import ApiError
from sandbox.stripe.ids import new_id
from sandbox.stripe.shapes import Obj
from sandbox.stripe.state import StripeChange

_DAYS_TO_ANSWER = 7
_OPEN = "needs_response"
_UNDER_REVIEW = "under_review"
_CARD = {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"}


def open_dispute(change: StripeChange, intent: Obj, charge: Obj, amount: int | None) -> Obj:
    """Dispute a captured charge, as the cardholder; the money is withdrawn. Return the dispute.

    Raises:
        ApiError: nothing was captured, or it is disputed already.
    """
    if not charge["captured"] or charge["disputed"]:
        raise ApiError(400, f"Charge {charge['id']} cannot be disputed: not captured, or disputed already.")
    dispute: Obj = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge["amount_captured"] if amount is None else amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": change.now_s,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": change.now_s + _DAYS_TO_ANSWER * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": intent["id"],
        "payment_method_details": {"type": "card", "card": dict(_CARD)},
        "reason": "fraudulent",
        "status": _OPEN,
    }
    charge["disputed"] = True
    change.store.save(charge)
    change.store.save(dispute)
    change.emit("charge.dispute.created", dispute)
    change.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def submit_evidence(change: StripeChange, charge: Obj) -> Obj:
    """Answer the open dispute of a charge, as the merchant in the Dashboard, and return it.

    Raises:
        ApiError: there is no open one.
    """
    dispute = _undecided(change, charge, [_OPEN])
    answered = {"has_evidence": True, "submission_count": 1, "submission_method": "manual"}
    dispute |= {"status": _UNDER_REVIEW, "evidence_details": dispute["evidence_details"] | answered}
    change.store.save(dispute)
    change.emit("charge.dispute.updated", dispute)
    return dispute


def close_dispute(change: StripeChange, charge: Obj, *, won: bool) -> Obj:
    """Decide the dispute of a charge and return it. A won dispute reinstates the money.

    Raises:
        ApiError: there is none, or it is decided already.
    """
    dispute = _undecided(change, charge, [_OPEN, _UNDER_REVIEW])
    dispute |= {"status": "won" if won else "lost"}
    change.store.save(dispute)
    change.emit("charge.dispute.closed", dispute)
    if won:
        charge["disputed"] = False
        change.store.save(charge)
        change.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def _undecided(change: StripeChange, charge: Obj, statuses: list[str]) -> Obj:
    where = {"charge = ?": charge["id"], f"label IN ({', '.join('?' * len(statuses))})": statuses}
    disputes = change.store.select("dispute", where)
    if not disputes:
        raise ApiError(400, f"Charge {charge['id']} has no open dispute.")
    return disputes[0]
