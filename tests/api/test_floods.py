"""A crowd asks how one booking's payment stands; that needs no token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from domain.identifiers import workflow_id
from reconciliation.findings import WorkflowState
from reconciliation.temporal_reader import TemporalReader
from sandbox.drivers import GuestDriver, wait_until
from tests.api.hotels import HotelDriver
from tests.api.rows import minute_of
from tests.api.stack import ApiStack, another_api

_FLOOD = 2001
"""Temporal takes 2,000 updates a run."""
_CONNECTIONS = 50
_AT_ONCE_S = 5


@pytest.fixture
async def apis(stack: ApiStack) -> AsyncIterator[list[str]]:
    """Two API processes."""
    async with another_api(stack) as first, another_api(stack) as second:
        yield [first, second]


async def verify(hotel: HotelDriver, guest: GuestDriver, api: str | None = None) -> httpx.Response:
    """Ask without a token."""
    url = f"{hotel.bookings_url}{guest.booking_id}/payment/verify/"
    params = {"session_id": guest.session_id or ""}
    return await hotel.stack.http.get(url.replace(hotel.stack.api, api or hotel.stack.api), params=params)


async def paying(hotel: HotelDriver) -> GuestDriver:
    """A guest whose payment page is open."""
    guest = await hotel.submitted()
    await guest.open_page()
    return guest


async def count_questions(hotel: HotelDriver, guest: GuestDriver) -> str:
    """Have the questions to Stripe about a guest's session counted; returns the id to look under."""
    match = f"GET /v1/checkout/sessions/{guest.session_id}"
    return await hotel.stack.stand_ins.stripe.order(match, "delay", delay_s=0.3, times=None)


async def test_callers_at_once_share_one_question(hotel: HotelDriver, apis: Sequence[str]) -> None:
    """At both processes; a second one is asked where the few seconds turn on the way."""
    guest = await paying(hotel)
    count = await count_questions(hotel, guest)
    answers = await asyncio.gather(*(verify(hotel, guest, apis[n % 2]) for n in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert 1 <= await hotel.stack.stand_ins.stripe.hits(count) <= 2


async def test_above_the_limit_the_row_answers(hotel: HotelDriver) -> None:
    """Every address gets an answer, and Stripe gets no request."""
    guest = await paying(hotel)
    async with another_api(hotel.stack, rate_limit_verify_per_min=3) as api:
        url = f"{hotel.bookings_url.replace(hotel.stack.api, api)}{guest.booking_id}/payment/verify/"

        async def ask(number: int) -> int:
            headers = {"X-Forwarded-For": f"192.0.2.{number}"}
            params = {"session_id": guest.session_id or ""}
            return (await hotel.stack.http.get(url, params=params, headers=headers)).status_code

        for _ in range(3):
            begun = await minute_of(hotel.stack)
            assert [await ask(number) for number in range(3)] == [200] * 3
            away = await hotel.stack.stand_ins.stripe.order("*", "error_before", status=500, times=None)
            answers = [await ask(number) for number in range(3, 8)]
            asked = await hotel.stack.stand_ins.stripe.hits(away)
            await hotel.stack.stand_ins.clear_faults()
            if await minute_of(hotel.stack) == begun:
                break
    assert (answers, asked) == ([200] * 5, 0)


async def test_a_crowd_leaves_others_their_places(hotel: HotelDriver) -> None:
    """Stripe does not answer about one booking: all who ask about it wait in one place."""
    besieged, other = await asyncio.gather(paying(hotel), paying(hotel))
    match = f"GET /v1/checkout/sessions/{besieged.session_id}"
    await hotel.stack.stand_ins.stripe.order(match, "hang", times=None)
    crowd = [asyncio.create_task(verify(hotel, besieged)) for _ in range(40)]
    await asyncio.sleep(0)
    began = time.monotonic()
    answers = [await verify(hotel, other), await other.ask("POST", "payment/session/")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert time.monotonic() - began < _AT_ONCE_S
    assert not any(caller.done() for caller in crowd)
    await hotel.stack.stand_ins.clear_faults()
    assert {answer.status_code for answer in await asyncio.gather(*crowd)} <= {200, 503}


async def test_a_crowd_that_opens_one_page_leaves_others_their_places(hotel: HotelDriver) -> None:
    """Stripe opens no page: those who want this booking's wait in three places, the others are refused."""
    besieged, other = await asyncio.gather(hotel.submitted(), paying(hotel))
    stripe = hotel.stack.stand_ins.stripe
    hanging = await stripe.order("POST /v1/checkout/sessions", "hang", times=None)
    async with another_api(hotel.stack, rate_limit_session_per_min=0) as api:

        async def open_page(guest: GuestDriver) -> httpx.Response:
            url = f"{hotel.bookings_url.replace(hotel.stack.api, api)}{guest.booking_id}/payment/session/"
            return await hotel.stack.http.post(url, headers={"Authorization": f"Bearer {guest.token}"})

        crowd = [asyncio.create_task(open_page(besieged)) for _ in range(40)]
        await wait_until(lambda: stripe.hits(hanging), lambda hits: hits > 0, what="the first of them")
        began = time.monotonic()
        answer = await open_page(other)
        assert (answer.status_code, answer.json().get("session_id")) == (200, other.session_id)
        assert time.monotonic() - began < _AT_ONCE_S
        assert not any(caller.done() for caller in crowd)
        assert {answer.status_code for answer in await asyncio.gather(*crowd)} == {503}
    await hotel.stack.stand_ins.clear_faults()


async def test_page_is_found_by_all_who_ask_while_runs_come_and_go(hotel: HotelDriver) -> None:
    """So many updates fill one history after another; each caller gets the one page that is open."""
    guest = await paying(hotel)
    handle = hotel.stack.temporal.get_workflow_handle(workflow_id(guest.booking_id))
    first_run = (await handle.describe()).run_id
    async with another_api(hotel.stack, rate_limit_session_per_min=0) as api:
        url = f"{hotel.bookings_url.replace(hotel.stack.api, api)}{guest.booking_id}/payment/session/"
        headers = {"Authorization": f"Bearer {guest.token}"}
        for _ in range(16):
            answers = await asyncio.gather(*(hotel.stack.http.post(url, headers=headers) for _ in range(6)))
            assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
            assert {answer.json()["session_id"] for answer in answers} == {guest.session_id}
    described = await handle.describe()
    assert described.run_id != first_run
    seen = await TemporalReader(hotel.stack.temporal, lambda: None).workflow(guest.booking_id)
    assert seen == (WorkflowState.RUNNING, "PENDING_PAYMENT"), "reconciliation misses no workflow"
    assert described.history_length < 500
    assert (await guest.cancel()).json()["status"] == "CANCELLED"


async def test_a_flood_holds_up_no_cancellation(hotel: HotelDriver) -> None:
    """More questions than Temporal takes updates; what the guest then wants is done at once."""
    guest = await paying(hotel)
    places = asyncio.Semaphore(_CONNECTIONS)

    async def ask() -> int:
        async with places:
            return (await verify(hotel, guest)).status_code

    assert set(await asyncio.gather(*(ask() for _ in range(_FLOOD)))) == {200}
    began = time.monotonic()
    answer = await guest.cancel()
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert time.monotonic() - began < _AT_ONCE_S
    handle = hotel.stack.temporal.get_workflow_handle(workflow_id(guest.booking_id))
    assert (await handle.describe()).history_length < 500
