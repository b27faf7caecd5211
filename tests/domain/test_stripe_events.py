"""Stripe's events: their relevance to a booking, and their booking, for any shape."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.booking import Status
from domain.stripe_events import AUTHORIZING, KNOWN, Subject, is_relevant, subject_of

HELD = "checkout.session.completed payment_intent.amount_capturable_updated".split()
SETTLED = "payment_intent.succeeded charge.captured payment_intent.canceled charge.expired".split()
AFTER = (
    "charge.refunded refund.created refund.updated refund.failed charge.dispute.created charge.dispute.updated "
    "charge.dispute.closed charge.dispute.funds_withdrawn charge.dispute.funds_reinstated"
).split()
SURPRISES = "checkout.session.async_payment_succeeded checkout.session.async_payment_failed".split()
ALL = HELD + SETTLED + AFTER + SURPRISES

# Events that may carry news about a booking's PaymentIntent. All others echo its own steps.
OF_OWN_PAYMENT = {
    "DRAFT": ALL,
    "PENDING_PAYMENT": ALL,
    "PENDING_APPROVAL": SETTLED + AFTER,
    "CONFIRMED": AFTER,
    "DECLINED": HELD + AFTER,
    "EXPIRED": HELD + AFTER,
    "CANCELLED": HELD + AFTER,
}
# About another PaymentIntent: a second hold, perhaps.
OF_ANOTHER = {
    status: ALL if status == "PENDING_PAYMENT" else HELD + SETTLED + AFTER for status in OF_OWN_PAYMENT
}

NO_NEWS = [
    "",
    "charge.succeeded",
    "checkout.session.expired",
    "customer.created",
    "payment_intent.created",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "CHECKOUT.SESSION.COMPLETED",
    "charge.refunded ",
]


@pytest.mark.parametrize("own", [True, False], ids=["own payment", "another payment"])
@pytest.mark.parametrize("status", Status)
def test_what_is_news(status: Status, own: bool) -> None:
    """Every type of event, to every status, about the booking's own payment and about another one."""
    expected = (OF_OWN_PAYMENT if own else OF_ANOTHER)[str(status)]
    relevant = {type_ for type_ in ALL + NO_NEWS if is_relevant(type_, status, about_own_payment=own)}
    assert relevant == set(expected)


def test_types_are_stripes() -> None:
    """Written as Stripe writes them, each in one group."""
    assert set(KNOWN) == set(ALL)
    assert set(AUTHORIZING) == set(HELD)
    assert len(ALL) == len(set(ALL))


@pytest.mark.parametrize(
    ("seen", "subject"),
    [
        (
            {
                "object": "checkout.session",
                "id": "cs_1",
                "payment_intent": "pi_1",
                "metadata": {"booking_id": "BK-1"},
            },
            Subject("BK-1", "cs_1", "pi_1"),
        ),
        (
            {"object": "checkout.session", "id": "cs_1", "payment_intent": None, "metadata": {}},
            Subject(None, "cs_1", None),
        ),
        (
            {"object": "payment_intent", "id": "pi_1", "metadata": {"booking_id": "BK-1"}},
            Subject("BK-1", None, "pi_1"),
        ),
        ({"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}, Subject(None, None, "pi_1")),
        ({"object": "charge", "id": "ch_1", "payment_intent": {"id": "pi_1"}}, Subject(None, None, "pi_1")),
        ({"object": "refund", "id": "re_1", "payment_intent": "pi_1"}, Subject(None, None, "pi_1")),
        ({"object": "dispute", "id": "du_1", "payment_intent": "pi_1"}, Subject(None, None, "pi_1")),
        ({"object": "customer", "id": "cus_1"}, Subject()),
        ({}, Subject()),
    ],
)
def test_subject(seen: dict[str, Any], subject: Subject) -> None:
    """By whatever the object names: our metadata, the session, the PaymentIntent whole or by its id."""
    assert subject_of(seen) == subject


@pytest.mark.parametrize("odd", [None, 7, 1.5, True, [], ["BK-1"], {}, "", "a\0b", "two\nlines", "x" * 256])
def test_what_is_no_id_counts_as_absent(odd: Any) -> None:
    """Another system's metadata, or another version's shape, stops nothing and reaches no column."""
    assert subject_of({"object": "payment_intent", "id": odd, "metadata": {"booking_id": odd}}) == Subject()
    assert subject_of({"object": "charge", "payment_intent": odd, "metadata": odd}) in {
        Subject(),
        Subject(None, None, None),
    }
    assert subject_of({"object": odd, "id": "x", "payment_intent": {"id": odd}}) == Subject()


def test_a_longer_booking_id_is_another_systems() -> None:
    """One Stripe account may serve several systems; their ids need not fit our columns."""
    assert subject_of({"metadata": {"booking_id": "B" * 40}}).booking_id == "B" * 40
    assert subject_of({"metadata": {"booking_id": "B" * 41}}).booking_id is None


def _objects() -> st.SearchStrategy[dict[str, Any]]:
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=50)
        | st.sampled_from(["checkout.session", "payment_intent", "cs_1", "pi_1"])
    )
    values = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "booking_id", "object"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
    names = st.sampled_from(["object", "id", "metadata", "payment_intent"]) | st.text(
        string.ascii_letters, max_size=5
    )
    return st.dictionaries(names, values, max_size=6)


@given(_objects())
def test_junk_is_read_without_an_error(seen: dict[str, Any]) -> None:
    """For every shape of object; the result can be written to the inbox."""
    subject = subject_of(seen)
    for found, longest in (
        (subject.booking_id, 40),
        (subject.session_id, 255),
        (subject.payment_intent_id, 255),
    ):
        assert found is None or (isinstance(found, str) and 0 < len(found) <= longest and "\0" not in found)
