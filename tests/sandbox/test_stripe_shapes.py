"""Every answer and every event is what the SDK's own types say, down to the last field."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as sdk

from tests.sandbox.sdk_shapes import departures
from tests.sandbox.stripe_account import (
    CHALLENGED,
    DECLINED,
    DISPUTED,
    REFUND_FAILS,
    REFUND_PENDING,
    SHORT_HOLD,
    StripeAccount,
    charge_of,
)


def wrong(answer: sdk.StripeObject) -> list[str]:
    """The differences between an answer and its class."""
    return list(departures(answer.to_dict(), type(answer)))


def test_sessions(stripe: StripeAccount) -> None:
    """Open, complete, paid and expired, bare and expanded."""
    sessions = stripe.sdk.v1.checkout.sessions
    everything = ["line_items", "payment_intent.latest_charge.refunds"]
    made = stripe.open_session()
    assert wrong(made) == []
    stripe.pay(made)
    done = sessions.retrieve(made.id, {"expand": everything})
    assert isinstance(done.payment_intent, sdk.PaymentIntent)
    assert isinstance(done.payment_intent.latest_charge, sdk.Charge)
    assert done.line_items
    assert wrong(done) == []
    stripe.sdk.v1.payment_intents.capture(done.payment_intent.id)
    stripe.sdk.v1.refunds.create({"payment_intent": done.payment_intent.id, "amount": 100})
    assert wrong(sessions.retrieve(made.id, {"expand": everything})) == []
    assert wrong(sessions.expire(stripe.open_session().id)) == []
    listed = sessions.list({"limit": 3, "expand": ["data.payment_intent"]})
    assert [problem for session in listed.data for problem in wrong(session)] == []


@pytest.mark.parametrize("card", [DECLINED, CHALLENGED])
def test_attempts_that_did_not_succeed(stripe: StripeAccount, card: str) -> None:
    """A PaymentIntent with an error or a next action, and a failed charge."""
    session = stripe.open_session()
    stripe.pay(session, card)
    read = stripe.sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert isinstance(read.payment_intent, sdk.PaymentIntent)
    assert wrong(read) == []
    stripe.sdk.v1.checkout.sessions.expire(session.id)
    assert wrong(stripe.intent(read.payment_intent.id)) == []


def test_payment_intents_and_charges(stripe: StripeAccount) -> None:
    """Held, captured in part, cancelled and lapsed."""
    intents = stripe.sdk.v1.payment_intents
    held = stripe.held()
    taken = intents.capture(held.id, {"amount_to_capture": 1000, "expand": ["latest_charge.refunds"]})
    cancelled = intents.cancel(stripe.held().id)
    short = stripe.held(SHORT_HOLD)
    stripe.later(61)
    for answer in (held, taken, cancelled, stripe.intent(short.id)):
        assert wrong(answer) == []
    assert wrong(stripe.sdk.v1.charges.retrieve(charge_of(held).id)) == []
    for listed in (intents.list({"limit": 5}).data, stripe.sdk.v1.charges.list({"limit": 5}).data):
        assert listed
        assert [problem for one in listed for problem in wrong(one)] == []


def test_refunds_and_disputes(stripe: StripeAccount) -> None:
    """Succeeded, pending and failed refunds, releases, and disputes."""
    made = [
        stripe.sdk.v1.refunds.create({"payment_intent": stripe.captured(card).id, "reason": "duplicate"})
        for card in (REFUND_PENDING, REFUND_FAILS)
    ]
    release = stripe.sdk.v1.payment_intents.cancel(stripe.held().id)
    assert isinstance(release.latest_charge, str)
    stripe.later(61)
    read = [stripe.sdk.v1.refunds.retrieve(refund.id) for refund in made]
    assert [refund.status for refund in read] == ["succeeded", "failed"]
    released = stripe.sdk.v1.refunds.list({"charge": release.latest_charge}).data
    assert len(released) == 1
    disputed = stripe.captured(DISPUTED)
    disputes = stripe.sdk.v1.disputes.list({"payment_intent": disputed.id}).data
    assert len(disputes) == 1
    answers: list[sdk.StripeObject] = [*made, *read, *released, *disputes, disputed]
    for answer in answers:
        assert wrong(answer) == []


def test_account(stripe: StripeAccount) -> None:
    """The request by which a client learns the account of its key."""
    assert wrong(stripe.sdk.v1.accounts.retrieve_current()) == []


def test_events_of_every_kind(stripe: StripeAccount) -> None:
    """Each event, and the object in it as it was, for every type that the stand-in sends."""
    stripe.pay(stripe.open_session(), DECLINED)
    stripe.pay(stripe.open_session(), CHALLENGED)
    stripe.sdk.v1.checkout.sessions.expire(stripe.open_session().id)
    stripe.sdk.v1.payment_intents.cancel(stripe.held().id)
    charge = charge_of(stripe.captured(DISPUTED))
    stripe.order(f"dashboard/charges/{charge.id}/dispute/close", won=True)
    failing = stripe.sdk.v1.refunds.create({"payment_intent": stripe.captured().id})
    stripe.order(f"dashboard/refunds/{failing.id}/fail")
    stripe.order(f"dashboard/payment_intents/{stripe.held().id}/lapse")
    events = stripe.sdk.v1.events.list({"limit": 100}).data
    assert {event.type for event in events} >= KINDS
    assert [problem for event in events for problem in event_problems(event)] == []


KINDS = {
    "charge.captured",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.expired",
    "charge.failed",
    "charge.refunded",
    "charge.succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
}


def event_problems(event: sdk.Event) -> list[str]:
    """The differences between an event, or its object, and the class."""
    subject: Any = event.data.object
    if subject.to_dict().get("status") is None and event.type == "charge.updated":
        return []  # made up by a test
    return [f"{event.type}: {problem}" for problem in [*wrong(event), *wrong(subject)]]


def test_the_comparison_itself_finds_what_is_wrong(stripe: StripeAccount) -> None:
    """A field too many, too few, null, of another type, or outside its enumeration is noticed."""
    good = stripe.held().to_dict()
    assert list(departures(good, sdk.PaymentIntent)) == []
    charge = good["latest_charge"]
    card = charge["payment_method_details"]["card"]
    changes: list[dict[str, Any]] = [
        {**good, "colour": "red"},
        {name: value for name, value in good.items() if name != "currency"},
        {**good, "amount": None},
        {**good, "amount": "15000"},
        {**good, "livemode": 0},
        {**good, "status": "done"},
        {**good, "metadata": {"booking_id": 1}},
        {**good, "payment_method_types": "card"},
        {**good, "latest_charge": {**charge, "status": "done"}},
        {**good, "latest_charge": good},
        {
            **good,
            "latest_charge": {
                **charge,
                "payment_method_details": {"type": "card", "card": {**card, "exp_month": None}},
            },
        },
    ]
    for changed in changes:
        assert len(list(departures(changed, sdk.PaymentIntent))) >= 1
