"""Any request: never a 5xx, always a problem, and a refused request changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.roles import Role
from sandbox.drivers import GuestDriver, StaffDriver
from tests.api.events import event, post_signed, signature
from tests.api.hotels import PERSON, HotelDriver, open_hotel
from tests.api.rows import standing
from tests.api.stack import ApiStack
from tests.workflows.servers import Json

_EXAMPLES = 40

fuzzed = settings(max_examples=_EXAMPLES, suppress_health_check=list(HealthCheck))

# Text that trips programs up, more often than chance would bring it.
_TRAPS = (
    "",
    " ",
    "\x00",
    "\ud800",
    "\u202e",
    "%00",
    "../..",
    "null",
    "-1",
    "1e999",
    "9" * 400,
    "'\"--",
    "{{7*7}}",
    "\N{PILE OF POO}" * 30,
    "Á\u0301" * 40,
    "x" * 2100,
)
_sendable = st.characters(codec="utf-8")
words = st.sampled_from([trap for trap in _TRAPS if trap != "\ud800"]) | st.text(_sendable, max_size=40)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**400])
    | st.text(max_size=20)
    | st.sampled_from(_TRAPS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
nested = st.builds(
    lambda depth, pair: pair[0] * depth + pair[1] * depth,
    st.integers(1, 5000),
    st.sampled_from([("[", "]"), ('{"a":', "}")]),
)
bodies = (
    anything.map(lambda value: json.dumps(value).encode())
    | nested.map(str.encode)
    | st.binary(max_size=200)
    | st.just(b"")
)
header_values = (
    st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_categories=["Cc"]), max_size=60)
    | st.sampled_from(["Bearer", "Bearer x.y.z", "t=1,v1=é", "Bearer " + "é" * 20, "Basic eDp5", "9" * 300])
).map(str.strip)
headers = st.dictionaries(
    st.sampled_from(
        "Authorization Idempotency-Key X-Request-ID Content-Type Accept Stripe-Signature Cookie Origin "
        "X-Forwarded-For Content-Encoding Accept-Language".split()
    ),
    header_values,
    max_size=4,
)


@dataclass(frozen=True)
class FuzzTarget:
    """A hotel with a draft and a booking that waits for payment, and someone who may do everything there."""

    hotel: HotelDriver
    draft: GuestDriver
    waiting: GuestDriver
    manager: StaffDriver

    async def state(self) -> dict[str, Any]:
        """The state of every booking of the hotel: a refused request must not change it."""
        return await standing(self.hotel)


@pytest.fixture(scope="module")
async def target(stack: ApiStack) -> FuzzTarget:
    hotel = await open_hotel(stack)
    return FuzzTarget(hotel, await hotel.draft(), await hotel.submitted(), await hotel.staff(Role.MANAGER))


def assert_refused(response: httpx.Response) -> None:
    """Check that an answer is a client's error, in the common shape."""
    assert 400 <= response.status_code < 500, f"{response.status_code}: {response.text[:300]}"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code


def latin(values: dict[str, str]) -> httpx.Headers:
    """Header values as bytes, one for each letter."""
    return httpx.Headers(values, encoding="latin-1")


_ROUTES = (
    "/api/public/hotel/{slug}/",
    "/api/public/hotel/{slug}/room-bookings/",
    "/api/public/hotel/{slug}/room-bookings/{booking}/",
    "/api/public/hotel/{slug}/room-bookings/{booking}/submit/",
    "/api/public/hotel/{slug}/room-bookings/{booking}/cancel/",
    "/api/public/hotel/{slug}/room-bookings/{booking}/payment/session/",
    "/api/public/hotel/{slug}/room-bookings/{booking}/payment/verify/",
    "/api/public/hotel/room-bookings/stripe-webhook/",
    "/api/staff/auth/token/",
    "/api/staff/hotel/{slug}/room-bookings/",
    "/api/staff/hotel/{slug}/room-bookings/{booking}/",
    "/api/staff/hotel/{slug}/room-bookings/{booking}/approve/",
    "/api/staff/hotel/{slug}/room-bookings/{booking}/decline/",
    "/api/staff/hotel/{slug}/room-bookings/{booking}/cancel/",
    "/api/realtime/auth/",
)


@fuzzed
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    route=st.sampled_from(_ROUTES),
    slug=st.none() | words,
    booking=st.none() | words,
    query=st.dictionaries(words, words, max_size=3),
    headers=headers,
    body=bodies,
)
async def test_strangers(
    target: FuzzTarget,
    method: str,
    route: str,
    slug: str | None,
    booking: str | None,
    query: dict[str, str],
    headers: dict[str, str],
    body: bytes,
) -> None:
    """A caller without a token gets only a hotel's page, and changes nothing."""
    before = await target.state()
    names = {
        "slug": target.hotel.slug if slug is None else quote(slug, safe=""),
        "booking": target.waiting.booking_id if booking is None else quote(booking, safe=""),
    }
    url = target.hotel.stack.api + route.format(**names)
    http = target.hotel.stack.http
    response = await http.request(method, url, params=query, headers=latin(headers), content=body)
    if response.status_code != 200:
        # An answer to HEAD has no body.
        assert response.status_code < 500
        if method != "HEAD":
            assert_refused(response)
    assert await target.state() == before


def wishes(hotel: HotelDriver) -> st.SearchStrategy[Json]:
    """Booking requests with an odd value."""
    good = hotel.wish(guest=PERSON, children=0, special_requests="x", submit=False)
    members = st.sampled_from([*good, "price", "\x00"])
    changes = st.dictionaries(members, anything | words, min_size=1, max_size=3)
    guests = st.dictionaries(st.sampled_from([*PERSON, "vip"]), anything | words, min_size=1, max_size=3)
    return st.one_of(
        changes.map(lambda odd: {**good, **odd, "submit": False}),
        guests.map(lambda odd: {**good, "guest": {**PERSON, **odd}}),
    )


@fuzzed
@given(data=st.data(), key=st.none() | header_values)
async def test_booking_requests(target: FuzzTarget, data: st.DataObject, key: str | None) -> None:
    """A booking is made of what is in order, once; anything else makes none."""
    wish = data.draw(wishes(target.hotel))
    before = await target.state()
    headers = latin({"Content-Type": "application/json"} | ({} if key is None else {"Idempotency-Key": key}))
    response = await target.hotel.stack.http.post(
        target.hotel.bookings_url, content=json.dumps(wish).encode(), headers=headers
    )
    after = await target.state()
    assert before.items() <= after.items()
    if response.status_code == 201:
        assert len(after) - len(before) in ({0, 1} if key else {1})
        assert response.json()["amount"] == "150.00"
    else:
        assert_refused(response)
        assert after == before


@fuzzed
@given(
    path=st.sampled_from(["submit/", "cancel/", "payment/session/", "payment/verify/", ""]),
    query=st.dictionaries(st.sampled_from(["session_id", "token", "status"]), words, max_size=2),
    body=bodies,
)
async def test_guests(target: FuzzTarget, path: str, query: dict[str, str], body: bytes) -> None:
    """A guest whose booking waits for payment may send what they like, but for a cancellation."""
    before = await target.state()
    guest = target.draft if path in {"cancel/", "payment/session/"} else target.waiting
    method = "GET" if path in {"", "payment/verify/"} else "POST"
    headers = {"Authorization": f"Bearer {guest.token}", "Content-Type": "application/json"}
    url = f"{target.hotel.bookings_url}{guest.booking_id}/{path}"
    response = await target.hotel.stack.http.request(method, url, params=query, headers=headers, content=body)
    if response.status_code != 200:
        assert_refused(response)
    assert await target.state() == before


@fuzzed
@given(
    path=st.sampled_from(["approve/", "decline/", "cancel/"]),
    query=st.dictionaries(words, words, max_size=2),
    body=bodies | st.fixed_dictionaries({"reason_note": words}).map(lambda body: json.dumps(body).encode()),
)
async def test_deciders(target: FuzzTarget, path: str, query: dict[str, str], body: bytes) -> None:
    """Nothing that staff send decides about a draft."""
    before = await target.state()
    url = f"{target.hotel.bookings_url}{target.draft.booking_id}/{path}".replace("/public/", "/staff/")
    headers = {"Authorization": f"Bearer {target.manager.token}", "Content-Type": "application/json"}
    assert_refused(await target.hotel.stack.http.post(url, params=query, headers=headers, content=body))
    assert await target.state() == before


@fuzzed
@given(
    query=st.dictionaries(
        st.sampled_from(["status", "q", "sort", "cursor", "limit"]),
        words | st.integers().map(str) | st.lists(words, max_size=3),
        max_size=4,
    )
)
async def test_lists(target: FuzzTarget, query: dict[str, Any]) -> None:
    """A list, or what is wrong with the question."""
    response = await target.manager.ask("GET", "", params=query)
    if response.status_code == 200:
        assert response.json()["items"] is not None
    else:
        assert_refused(response)


@fuzzed
@given(
    subject=st.dictionaries(
        st.sampled_from(["id", "object", "metadata", "payment_intent", "client_reference_id"]),
        anything | st.fixed_dictionaries({"booking_id": anything}),
    ),
    kind=st.sampled_from(["checkout.session.completed", "payment_intent.succeeded", "charge.refunded"])
    | words,
    changes=st.dictionaries(
        st.sampled_from(["id", "object", "data", "livemode", "type"]), anything, max_size=2
    ),
)
async def test_signed_events(target: FuzzTarget, subject: Json, kind: str, changes: Json) -> None:
    """A signed event is kept or refused, and changes nothing that Stripe does not confirm when read."""
    before = await target.state()
    body = json.dumps(event(kind, subject, **changes)).encode()
    stack = target.hotel.stack
    response = await post_signed(stack.http, stack.api, body, signature(body))
    if response.status_code != 200:
        assert_refused(response)
    assert await target.state() == before


@fuzzed
@given(
    form=st.dictionaries(
        st.sampled_from(["username", "password", "grant_type", "scope", "socket_id", "channel_name"]), words
    ),
    path=st.sampled_from(["/api/staff/auth/token/", "/api/realtime/auth/"]),
    raw=st.none() | bodies,
    kind=st.sampled_from(
        [
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded; charset=unicode_escape",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "multipart/form-data; boundary=x; charset=undefined",
        ]
    ),
)
async def test_forms(
    target: FuzzTarget, form: dict[str, str], path: str, raw: bytes | None, kind: str
) -> None:
    """No junk logs in, and none opens a channel."""
    stack = target.hotel.stack
    # An account's address of its own each time: failures are counted.
    if raw is None:
        response = await stack.http.post(stack.api + path, data=form)
    else:
        response = await stack.http.post(stack.api + path, content=raw, headers={"Content-Type": kind})
    assert_refused(response)
