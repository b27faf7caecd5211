"""The list of events, from which what no webhook brought can be fetched."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as sdk

from tests.sandbox.stripe_account import StripeAccount, client_for, new_key


def listed(stripe: StripeAccount, **params: Any) -> sdk.ListObject[sdk.Event]:
    """A page of events."""
    request: Any = params
    return stripe.sdk.v1.events.list(request)


def test_pages(stripe: StripeAccount) -> None:
    """Newest first, in pages, both ways, and all of them by the SDK's own paging."""
    intent = stripe.captured()
    own = [event["id"] for event in reversed(stripe.events(intent.id))]
    assert len(own) == 6
    first = listed(stripe, limit=4)
    assert [event.id for event in first.data] == own[:4]
    assert first.has_more
    second = listed(stripe, limit=4, starting_after=own[3])
    assert [event.id for event in second.data][:2] == own[4:]
    back = listed(stripe, limit=4, ending_before=own[5])
    assert [event.id for event in back.data] == own[1:5]
    # Something older may come of age meanwhile, and have an event of its own.
    pages = listed(stripe, limit=3, created={"gte": intent.created})
    walked = [event.id for event in pages.auto_paging_iter() if event.id in own]
    assert walked == own


async def test_as_the_product_fetches_them(stripe: StripeAccount) -> None:
    """By types and time, asynchronously, page by page."""
    intent = stripe.captured()
    client = client_for(stripe.server)
    types = ["charge.captured", "payment_intent.succeeded", "charge.refunded"]
    params: Any = {"types": types, "created": {"gte": intent.created, "lte": intent.created + 60}, "limit": 1}
    page = await client.v1.events.list_async(params)
    events = [event async for event in page.auto_paging_iter()]
    await client._requestor._client.close_async()  # type: ignore[union-attr]
    ours = [event for event in events if intent.id in str(event.data.object)]
    assert [event.type for event in ours] == ["payment_intent.succeeded", "charge.captured"]
    assert {event.type for event in events} <= set(types)


def test_filters(stripe: StripeAccount) -> None:
    """One type, a group of types, or a span of time."""
    intent = stripe.held()
    assert {event.type for event in listed(stripe, type="charge.succeeded").data} == {"charge.succeeded"}
    assert all(event.type.startswith("charge.") for event in listed(stripe, type="charge.*").data)
    created = stripe.events(intent.id)[-1]["created"]
    then = listed(stripe, limit=100, created=created).data
    assert {event.created for event in then} == {created}
    assert intent.id in str(then)
    assert intent.id not in str(listed(stripe, limit=100, created={"gt": created}).data)


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"type": "a.b", "types": ["c.d"]}, "parameters_exclusive", "types"),
        ({"types": [f"charge.{i}" for i in range(21)]}, None, "types"),
        ({"limit": 0}, "parameter_invalid_integer", "limit"),
        ({"limit": 101}, "parameter_invalid_integer", "limit"),
        ({"starting_after": "evt_nobody"}, "resource_missing", "starting_after"),
        ({"starting_after": "evt_1", "ending_before": "evt_2"}, "parameters_exclusive", None),
        ({"created": {"after": 1}}, "parameter_unknown", "created[after]"),
        ({"created": "today"}, "parameter_invalid_integer", "created"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
    ],
)
def test_refused_parameters(
    stripe: StripeAccount, params: dict[str, Any], code: str | None, param: str | None
) -> None:
    """Each mistake is a 400 that names its parameter."""
    with pytest.raises(sdk.InvalidRequestError) as refused:
        listed(stripe, **params)
    assert (refused.value.http_status, refused.value.code) == (400, code)
    assert refused.value.param == param


def test_what_an_event_tells(stripe: StripeAccount) -> None:
    """The object as it was then, what changed, which request did it, and under which key."""
    held, key = stripe.held(), new_key()
    taken = stripe.sdk.v1.payment_intents.capture(held.id, {}, {"idempotency_key": key})
    stripe.sdk.v1.refunds.create({"payment_intent": held.id, "amount": 100})
    by_type = {event["type"]: event for event in stripe.events(held.id)}
    captured = by_type["charge.captured"]
    assert captured["data"]["object"]["amount_refunded"] == 0
    assert captured["data"]["previous_attributes"]["captured"] is False
    assert taken.last_response
    assert captured["request"] == {"id": taken.last_response.request_id, "idempotency_key": key}
    assert by_type["charge.refunded"]["data"]["object"]["amount_refunded"] == 100
    assert by_type["payment_intent.succeeded"]["data"]["object"]["status"] == "succeeded"


def test_time_ends_a_hold_without_a_request(stripe: StripeAccount) -> None:
    """An event of a lapse names no request."""
    session = stripe.open_session()
    stripe.later(3700)
    [event] = stripe.events(session.id)
    assert event["request"] == {"id": None, "idempotency_key": None}
