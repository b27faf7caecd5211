"""Stripe's webhook: what is believed, what is kept, and what is done about it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from models import StripeWebhookEvent
from sandbox.drivers import GuestDriver, wait_until
from storage.inbox import NOTHING_NEW
from tests.api.events import event, post_event, post_signed, signature, unknown_event
from tests.api.hotels import HotelDriver
from tests.api.problems import assert_problem
from tests.api.rows import inbox_row
from tests.api.stack import PATIENCE_S, WEBHOOK_SECRETS, ApiStack, FlakyApi, another_api
from tests.workflows.servers import Json

_LIMIT = 1 << 20
_TOLERANCE_S = 300


async def deliver(stack: ApiStack, content: bytes, signed: str | None) -> httpx.Response:
    """Deliver bytes under a signature, or under none, to the API."""
    return await post_signed(stack.http, stack.api, content, signed)


def received(response: httpx.Response) -> None:
    """Check that an answer tells Stripe not to try again."""
    assert (response.status_code, response.json()) == (200, {"received": True})


async def processed(stack: ApiStack, event_id: str) -> StripeWebhookEvent:
    """An event's row, once it says what became of it."""
    row = await inbox_row(stack, event_id)
    assert row is not None, "answered 2xx, and not kept"
    assert row.processed_at is not None
    return row


# --- signatures -------------------------------------------------------------------------------------------


async def test_signatures_that_count(stack: ApiStack) -> None:
    """Each of our secrets, any of several signatures, and a clock that is off by less than five minutes."""
    old, new = WEBHOOK_SECRETS
    now = time.time()
    ways: list[dict[str, Any]] = [
        {"keys": [old]},
        {"keys": [new]},
        {"keys": ["whsec_nobodys", new]},
        {"keys": [old, "whsec_nobodys"]},
        {"at": now - _TOLERANCE_S + 20},
        {"at": now + _TOLERANCE_S - 20},
        {"extra": "v0=" + "0" * 64},
    ]
    for way in ways:
        body = json.dumps(unknown_event()).encode()
        received(await deliver(stack, body, signature(body, **way)))
        assert (await processed(stack, json.loads(body)["id"])).note == "a type we do not act on"


def bad_signatures(body: bytes) -> list[str | None]:
    """Headers that prove nothing."""
    good = signature(body)
    moment, made = good.split(",")
    now = time.time()
    return [
        None,
        "",
        "x",
        ",",
        moment,
        made,
        "t=," + made,
        "t=soon," + made,
        "t=" + "9" * 5000 + "," + made,
        f"{moment},v0={made[3:]}",
        f"{moment},v1=",
        f"{moment},v1={made[3:-1]}",
        f"{moment},v1={'0' * 64}",
        f"{moment},v1=é",
        f"t={int(now) - 1},{made}",
        signature(body, keys=["whsec_nobodys"]),
        signature(body, keys=[""]),
        signature(body, keys=[",".join(WEBHOOK_SECRETS)]),
        signature(body + b" "),
        signature(body, at=now - _TOLERANCE_S - 20),
        signature(body, at=now + _TOLERANCE_S + 20),
        signature(body, at=now + 10**9),
        signature(body, at=0),
        signature(body, at=-1),
    ]


async def test_signatures_that_do_not(stack: ApiStack) -> None:
    """400, whatever is wrong with it, and the event is not kept."""
    body = json.dumps(unknown_event()).encode()
    for header in bad_signatures(body):
        assert_problem(await deliver(stack, body, header), 400, "invalid_signature")
    assert await inbox_row(stack, json.loads(body)["id"]) is None


async def test_the_bytes_are_signed_not_what_they_mean(stack: ApiStack) -> None:
    """The same JSON written anew is another body."""
    body = json.dumps(unknown_event()).encode()
    rewritten = json.dumps(json.loads(body), indent=1).encode()
    assert json.loads(rewritten) == json.loads(body)
    assert_problem(await deliver(stack, rewritten, signature(body)), 400, "invalid_signature")
    received(await deliver(stack, rewritten, signature(rewritten)))


async def test_a_secret_that_was_rolled_away(stack: ApiStack) -> None:
    """Once a secret is taken out of the configuration it opens nothing."""
    async with another_api(stack, stripe_webhook_secret=WEBHOOK_SECRETS[1]) as api:
        body = json.dumps(unknown_event()).encode()
        refused = await post_signed(stack.http, api, body, signature(body, keys=WEBHOOK_SECRETS[:1]))
        assert_problem(refused, 400, "invalid_signature")
        received(await post_signed(stack.http, api, body, signature(body, keys=WEBHOOK_SECRETS[1:])))


# --- contents ---------------------------------------------------------------------------------------------


async def test_the_other_mode(stack: ApiStack) -> None:
    """Test events at a live account and the other way round, and events that do not say: 400."""
    for livemode in (True, None, "false", 0):
        response = await post_event(stack.http, stack.api, unknown_event() | {"livemode": livemode})
        assert_problem(response, 400, "wrong_livemode")
    async with another_api(stack, stripe_secret_key="sk_live_of_nobody") as live:
        assert_problem(await post_event(stack.http, live, unknown_event()), 400, "wrong_livemode")
        received(await post_event(stack.http, live, unknown_event() | {"livemode": True}))


_THIN = {"id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter.error", "livemode": False}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"event"',
        b"\xff\xfe",
        b'{"id": "evt_\xff"}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"id": ' + b"9" * 5000 + b"}",
        json.dumps(_THIN).encode(),
        json.dumps(unknown_event() | {"id": None}).encode(),
        json.dumps(unknown_event() | {"id": "evt_\x00"}).encode(),
        json.dumps(unknown_event() | {"id": "e" * 256}).encode(),
        json.dumps(unknown_event() | {"type": 7}).encode(),
        json.dumps(unknown_event() | {"type": "t" * 101}).encode(),
        json.dumps(unknown_event() | {"data": None}).encode(),
        json.dumps(unknown_event() | {"data": {"object": []}}).encode(),
        json.dumps(unknown_event() | {"id": "evt_\ud800"}).encode(),
    ],
    # By number: each process makes its own ids for events, and all must name the tests alike.
    ids=lambda _: "",
)
async def test_signed_and_yet_no_event(stack: ApiStack, content: bytes) -> None:
    """400: what is no snapshot event is not kept, however well it is signed."""
    response = await deliver(stack, content, signature(content))
    assert response.json()["code"] in {"invalid_payload", "invalid_signature"}, response.text
    assert_problem(response, 400, response.json()["code"])


async def test_over_1_mib(stack: ApiStack) -> None:
    """413 before anything is believed; what just fits is looked at."""
    padded = unknown_event()
    padded["data"]["object"]["description"] = "x" * (
        _LIMIT - len(json.dumps(padded)) - len(', "description": ""')
    )
    body = json.dumps(padded).encode()
    assert len(body) == _LIMIT
    received(await deliver(stack, body, signature(body)))
    assert_problem(await deliver(stack, body + b" ", signature(body + b" ")), 413, "body_too_large")


async def test_unknown_types_are_kept(stack: ApiStack) -> None:
    """200, and the reason why nothing was done."""
    about_us = event("payment_intent.created", {"id": "pi_1", "object": "payment_intent"})
    for body in (unknown_event(), about_us):
        received(await post_event(stack.http, stack.api, body))
        assert (await processed(stack, body["id"])).note == "a type we do not act on"


async def test_unknown_bookings(stack: ApiStack) -> None:
    """200, and kept: another system may use the same account. Odd names change nothing about that."""
    for name in ("BK-00000-00000-00000", "x" * 300, "nul \x00", "", None, 7, ["BK"], {"a": 1}):
        subject = {"id": "cs_1", "object": "checkout.session", "metadata": {"booking_id": name}}
        body = event("checkout.session.completed", subject)
        received(await post_event(stack.http, stack.api, body))
        assert (await processed(stack, body["id"])).note == "no booking of ours"
    odd: list[Json] = [{}, {"id": 7, "metadata": []}, {"object": "charge", "payment_intent": {"id": None}}]
    for subject in odd:
        body = event("charge.refunded", subject)
        received(await post_event(stack.http, stack.api, body))
        assert (await processed(stack, body["id"])).note == "no booking of ours"


# --- what is done about it --------------------------------------------------------------------------------


async def paid_unheard(hotel: HotelDriver) -> tuple[GuestDriver, Json]:
    """Someone whose card is held and whose events were all lost; and Stripe's own word on it, undelivered."""
    guest = await hotel.submitted()
    stripe = hotel.stack.stand_ins.stripe
    await stripe.order("WEBHOOK *", "drop", times=None)
    await guest.pay()
    await stripe.clear_faults()
    events = await sent(hotel, guest)
    return guest, next(body for body in events if body["type"] == "checkout.session.completed")


async def sent(hotel: HotelDriver, guest: GuestDriver) -> list[Json]:
    """Stripe's events about a booking, newest first."""
    key = hotel.stack.settings.stripe_secret_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"}
    listed = await hotel.stack.stand_ins.stripe.ask(
        "GET", "/v1/events", params={"limit": 100}, headers=headers
    )
    return [body for body in listed["data"] if guest.booking_id in json.dumps(body)]


async def test_a_hold(hotel: HotelDriver) -> None:
    """The booking follows, and the event is marked processed."""
    guest, completed = await paid_unheard(hotel)
    assert (await guest.read_booking())["status"] == "PENDING_PAYMENT"
    received(await post_event(hotel.stack.http, hotel.stack.api, completed))
    booking = await guest.until("PENDING_APPROVAL", timeout_s=PATIENCE_S)
    assert booking["payment_intent_id"] == completed["data"]["object"]["payment_intent"]
    row = await processed(hotel.stack, completed["id"])
    # The change that the event leads to may mark it before the webhook does.
    assert (row.booking_id, row.note or NOTHING_NEW) == (guest.booking_id, NOTHING_NEW)


async def test_ten_duplicates_at_once(hotel: HotelDriver, second_api: str) -> None:
    """All are answered 200 by both API processes, and the booking is changed once."""
    guest, completed = await paid_unheard(hotel)
    apis = [hotel.stack.api, second_api] * 5
    answers = await asyncio.gather(*(post_event(hotel.stack.http, api, completed) for api in apis))
    for answer in answers:
        received(answer)
    await guest.until("PENDING_APPROVAL", timeout_s=PATIENCE_S)
    received(await post_event(hotel.stack.http, hotel.stack.api, completed))
    booking = (await guest.verify()).json()
    assert booking["status"] == "PENDING_APPROVAL"
    assert [row["event"] for row in (await guest.read_booking())["timeline"]] == [
        "created",
        "submitted",
        "authorized",
    ]


async def test_an_event_that_lies(hotel: HotelDriver) -> None:
    """An event is a hint: Stripe is asked, and what it says counts."""
    guest = await hotel.submitted()
    session_id = (await guest.open_page())["session_id"]
    subject = {
        "id": session_id,
        "object": "checkout.session",
        "payment_intent": "pi_made_up",
        "metadata": {"booking_id": guest.booking_id},
    }
    body = event("checkout.session.completed", subject)
    received(await post_event(hotel.stack.http, hotel.stack.api, body))
    await processed(hotel.stack, body["id"])
    assert (await guest.verify()).json()["status"] == "PENDING_PAYMENT"
    assert (await guest.read_booking())["version"] == 2


async def test_late_news_of_an_ended_booking(hotel: HotelDriver) -> None:
    """An outdated event is kept with that remark, and undoes nothing."""
    guest, completed = await paid_unheard(hotel)
    assert (await guest.cancel()).json()["status"] == "CANCELLED"
    received(await post_event(hotel.stack.http, hotel.stack.api, completed))
    await processed(hotel.stack, completed["id"])
    assert (await guest.read_booking())["status"] == "CANCELLED"
    payment = await hotel.stack.client.payment(guest.booking_id)
    assert (payment["status"], payment["amount_received"]) == ("canceled", 0)


async def test_temporal_away(hotel: HotelDriver, flaky: FlakyApi) -> None:
    """503, and Stripe's next attempt finds everything well: the event is processed, not taken for a duplicate."""
    guest, completed = await paid_unheard(hotel)
    await flaky.temporal.shut()
    assert_problem(await post_event(hotel.stack.http, flaky.url, completed), 503, "temporal_unavailable")
    row = await inbox_row(hotel.stack, completed["id"])
    assert row is not None
    assert row.processed_at is None
    await flaky.temporal.open()
    await until_taken(hotel.stack, flaky, completed)
    await processed(hotel.stack, completed["id"])
    await guest.until("PENDING_APPROVAL", timeout_s=PATIENCE_S)


async def test_database_away(hotel: HotelDriver, flaky: FlakyApi) -> None:
    """503, nothing is kept, and Stripe's next attempt does it all."""
    guest, completed = await paid_unheard(hotel)
    await flaky.postgres.shut()
    assert_problem(await post_event(hotel.stack.http, flaky.url, completed), 503, "database_unavailable")
    assert await inbox_row(hotel.stack, completed["id"]) is None
    await flaky.postgres.open()
    await until_taken(hotel.stack, flaky, completed)
    await guest.until("PENDING_APPROVAL", timeout_s=PATIENCE_S)


async def until_taken(stack: ApiStack, flaky: FlakyApi, body: Json) -> None:
    """Deliver an event as often as Stripe would."""
    await wait_until(
        lambda: post_event(stack.http, flaky.url, body),
        lambda response: response.status_code == 200,
        timeout_s=PATIENCE_S,
        what="the event to be taken",
    )
