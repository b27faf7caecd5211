"""Refunds and disputes: accepted and refused ones, and the ledger's sums."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as sdk

from tests.sandbox.stripe_account import (
    DISPUTED,
    REFUND_FAILS,
    REFUND_PENDING,
    StripeAccount,
    charge_of,
    new_key,
)


def refusal(stripe: StripeAccount, **params: Any) -> sdk.InvalidRequestError:
    """The outcome of a request for such a refund."""
    request: Any = params
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.sdk.v1.refunds.create(request)
    assert refused.value.http_status == 400
    return refused.value


def test_refund_in_full(stripe: StripeAccount) -> None:
    """Without an amount all of it goes back, once."""
    intent = stripe.captured()
    refund = stripe.sdk.v1.refunds.create(
        {
            "payment_intent": intent.id,
            "reason": "requested_by_customer",
            "metadata": {"booking_id": "BK-BACK"},
        },
        {"idempotency_key": new_key()},
    )
    assert (refund.status, refund.amount, refund.currency) == ("succeeded", 15000, "eur")
    assert refund.metadata
    assert refund.metadata.to_dict() == {"booking_id": "BK-BACK"}
    charge = charge_of(stripe.intent(intent.id))
    assert (charge.refunded, charge.amount_refunded) == (True, 15000)
    books = stripe.books(intent.id)
    assert (books["refunded"], books["released"], books["amount_received"]) == (15000, 0, 15000)
    assert books["status"] == "succeeded"
    assert refusal(stripe, payment_intent=intent.id).code == "charge_already_refunded"
    assert stripe.event_types(intent.id)[-2:] == ["refund.created", "charge.refunded"]


def test_refund_in_parts(stripe: StripeAccount) -> None:
    """Parts add up; more than is left is refused and changes nothing."""
    intent = stripe.captured()
    refunds = stripe.sdk.v1.refunds
    first = refunds.create({"payment_intent": intent.id, "amount": 4500})
    over = refusal(stripe, payment_intent=intent.id, amount=10501)
    assert over.param == "amount"
    assert "greater than unrefunded amount" in str(over)
    assert stripe.books(intent.id)["refunded"] == 4500
    second = refunds.create({"charge": charge_of(intent).id})
    assert second.amount == 10500
    listed = refunds.list({"payment_intent": intent.id}).data
    assert [refund.id for refund in listed] == [second.id, first.id]
    assert refunds.retrieve(first.id).to_dict() == first.to_dict()
    assert stripe.books(intent.id)["refunded"] == 15000


def test_refund_after_a_partial_capture(stripe: StripeAccount) -> None:
    """Only what was captured can be refunded: the rest was released and never taken."""
    intent = stripe.captured(amount=9000)
    assert refusal(stripe, payment_intent=intent.id, amount=9001).param == "amount"
    stripe.sdk.v1.refunds.create({"payment_intent": intent.id, "amount": 9000})
    books = stripe.books(intent.id)
    assert (books["amount_received"], books["released"], books["refunded"]) == (9000, 6000, 9000)
    assert charge_of(stripe.intent(intent.id)).amount_refunded == 15000


def test_a_hold_is_not_refunded(stripe: StripeAccount) -> None:
    """It has to be cancelled; what was cancelled cannot be refunded either."""
    held = stripe.held()
    assert "cancel the PaymentIntent" in str(refusal(stripe, payment_intent=held.id))
    assert stripe.intent(held.id).status == "requires_capture"
    stripe.sdk.v1.payment_intents.cancel(held.id)
    assert "does not have a successful charge" in str(refusal(stripe, payment_intent=held.id))
    assert stripe.books(held.id)["refunded"] == 0


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({}, "parameter_missing", "payment_intent"),
        ({"payment_intent": "pi_nobody"}, "resource_missing", "payment_intent"),
        ({"charge": "ch_nobody"}, "resource_missing", "charge"),
        ({"charge": "ch_1", "payment_intent": "pi_1"}, "parameters_exclusive", "charge"),
        ({"payment_intent": "pi_1", "reason": "because"}, None, "reason"),
        (
            {"payment_intent": "pi_1", "refund_application_fee": True},
            "sandbox_unsupported",
            "refund_application_fee",
        ),
    ],
)
def test_refused_parameters(
    stripe: StripeAccount, params: dict[str, Any], code: str | None, param: str
) -> None:
    """Each mistake is a 400 that names its parameter."""
    error = refusal(stripe, **params)
    assert (error.code, error.param) == (code, param)


def test_amount_of_nothing(stripe: StripeAccount) -> None:
    """Zero is no refund."""
    assert refusal(stripe, payment_intent=stripe.captured().id, amount=0).code == "parameter_invalid_integer"


def test_pending_refund(stripe: StripeAccount) -> None:
    """With the card for it a refund is pending, and succeeds later."""
    intent = stripe.captured(REFUND_PENDING)
    refund = stripe.sdk.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    stripe.later(61)
    settled = stripe.sdk.v1.refunds.retrieve(refund.id)
    assert (settled.status, settled.pending_reason) == ("succeeded", None)
    assert stripe.event_types(refund.id) == ["refund.created", "refund.updated"]
    assert stripe.books(intent.id)["refunded"] == 15000


def test_refund_that_fails_later(stripe: StripeAccount) -> None:
    """The bank sends the money back: it counts as captured again, and may be refunded anew."""
    intent = stripe.captured(REFUND_FAILS)
    refund = stripe.sdk.v1.refunds.create({"payment_intent": intent.id, "amount": 6000})
    assert refund.status == "succeeded"
    assert stripe.books(intent.id)["refunded"] == 6000
    stripe.later(61)
    failed = stripe.sdk.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    charge = charge_of(stripe.intent(intent.id))
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert stripe.books(intent.id)["refunded"] == 0
    assert stripe.event_types(refund.id) == ["refund.created", "refund.updated", "refund.failed"]
    assert stripe.sdk.v1.refunds.create({"payment_intent": intent.id}).amount == 15000


def test_refund_made_to_fail(stripe: StripeAccount) -> None:
    """A test may let any refund fail, once."""
    intent = stripe.captured()
    refund = stripe.sdk.v1.refunds.create({"payment_intent": intent.id})
    failed = stripe.order(f"dashboard/refunds/{refund.id}/fail")
    assert failed["status"] == "failed"
    assert stripe.books(intent.id)["refunded"] == 0
    again = stripe.server.http.post(f"/_sandbox/dashboard/refunds/{refund.id}/fail")
    assert again.status_code == 400
    assert stripe.books(intent.id)["refunded"] == 0


def test_refund_in_the_dashboard(stripe: StripeAccount) -> None:
    """The Dashboard refunds a part: the events are the same, without a request's id."""
    intent = stripe.captured()
    made = stripe.order(f"dashboard/payment_intents/{intent.id}/refund", amount=2000)
    assert stripe.sdk.v1.refunds.retrieve(made["id"]).amount == 2000
    created = stripe.events(made["id"])[0]
    assert created["type"] == "refund.created"
    assert created["request"]["idempotency_key"] is None


@pytest.mark.parametrize(
    ("won", "status", "types"),
    [
        (True, "won", ["charge.dispute.closed", "charge.dispute.funds_reinstated"]),
        (False, "lost", ["charge.dispute.closed"]),
    ],
)
def test_dispute(stripe: StripeAccount, won: bool, status: str, types: list[str]) -> None:
    """The money is withdrawn at once; while it is disputed it cannot be refunded; winning brings it back."""
    intent = stripe.captured()
    charge_id = charge_of(intent).id
    dispute = stripe.order(f"dashboard/charges/{charge_id}/dispute")
    assert (dispute["amount"], dispute["status"]) == (15000, "needs_response")
    read = stripe.sdk.v1.disputes.retrieve(dispute["id"])
    assert (read.charge, read.payment_intent) == (charge_id, intent.id)
    assert refusal(stripe, payment_intent=intent.id).code == "charge_disputed"
    stripe.order(f"dashboard/charges/{charge_id}/dispute/close", won=won)
    [listed] = stripe.sdk.v1.disputes.list({"payment_intent": intent.id}).data
    assert listed.status == status
    opened = ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert stripe.event_types(dispute["id"]) == opened + types
    assert stripe.books(intent.id)["disputed"] is not won
    if won:
        assert stripe.sdk.v1.refunds.create({"payment_intent": intent.id}).amount == 15000


@pytest.mark.parametrize("won", [True, False])
def test_evidence_for_a_dispute(stripe: StripeAccount, won: bool) -> None:
    """It is under review then, takes no second answer, and is still decided."""
    charge_id = charge_of(stripe.captured()).id
    dispute = stripe.order(f"dashboard/charges/{charge_id}/dispute")
    answered = stripe.order(f"dashboard/charges/{charge_id}/dispute/evidence")
    assert (answered["id"], answered["status"]) == (dispute["id"], "under_review")
    assert answered["evidence_details"]["has_evidence"] is True
    assert stripe.event_types(dispute["id"])[-1] == "charge.dispute.updated"
    again = stripe.server.http.post(f"/_sandbox/dashboard/charges/{charge_id}/dispute/evidence")
    assert again.status_code == 400
    decided = stripe.order(f"dashboard/charges/{charge_id}/dispute/close", won=won)
    assert decided["status"] == ("won" if won else "lost")


def test_disputes_that_make_no_sense(stripe: StripeAccount) -> None:
    """A hold cannot be disputed, nor a charge twice, and what is closed cannot be closed again."""
    http = stripe.server.http
    held = charge_of(stripe.held()).id
    assert http.post(f"/_sandbox/dashboard/charges/{held}/dispute").status_code == 400
    disputed = charge_of(stripe.captured(DISPUTED)).id
    assert http.post(f"/_sandbox/dashboard/charges/{disputed}/dispute").status_code == 400
    stripe.order(f"dashboard/charges/{disputed}/dispute/close")
    assert http.post(f"/_sandbox/dashboard/charges/{disputed}/dispute/close").status_code == 400
