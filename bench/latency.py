"""Latencies for people and for Stripe, at a share of the peak load, without the stand-in's own time."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.bench_stack import BenchStack, Tell
from bench.load import LoadDriver, StepTimes, percentile, spread
from sandbox.serving import listener

Json = dict[str, Any]

SHARE_OF_PEAK: Final = 0.6
_THINK_S: Final = 1.0
"""Seconds until the approval; the mails that ask for it are written meanwhile."""
_IDLE_BOOKINGS: Final = 20
_IDLE_THINK_S: Final = 0.3
"""Seconds after which the e-mails of the step before are sent, and the machine is idle."""
_ROUTES: Final = {
    "capture": "POST /v1/payment_intents/{id}/capture",
    "read": "GET /v1/payment_intents/{id}",
    "session": "POST /v1/checkout/sessions",
}


class WebhookRelay:
    """A proxy between the Stripe stand-in and the product's webhook that measures each delivery."""

    def __init__(self, http: httpx.AsyncClient, product: str) -> None:
        self._http = http
        self._product = product
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.app = Starlette(routes=[Route("/{path:path}", self._pass_on, methods=["POST"])])

    async def _pass_on(self, request: Request) -> Response:
        payload = await request.body()
        headers = {name: request.headers[name] for name in ("stripe-signature", "content-type")}
        begun = time.perf_counter()
        answer = await self._http.post(self._product + request.url.path, content=payload, headers=headers)
        self.seconds[str(answer.status_code)].append(time.perf_counter() - begun)
        return Response(answer.content, answer.status_code)


@asynccontextmanager
async def _relayed(bench_stack: BenchStack) -> AsyncIterator[WebhookRelay]:
    relay = WebhookRelay(bench_stack.http, bench_stack.target.api)
    server = uvicorn.Server(uvicorn.Config(relay.app, log_level="error", access_log=False, ws="none"))
    # The socket listens from now on; a client that connects before the server has started waits for it.
    listening = listener()
    port = listening.getsockname()[1]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await bench_stack.webhooks_to(f"http://127.0.0.1:{port}")
        yield relay
    finally:
        await bench_stack.webhooks_to(bench_stack.target.api)
        server.should_exit = True
        await serving


async def latency(bench_stack: BenchStack, peak_per_s: float, seconds: float, tell: Tell) -> Json:
    """Start bookings at even intervals, at a share of the peak rate, and time every step.

    Args:
        peak_per_s: complete bookings per second at the best concurrency.
    """
    per_s = max(peak_per_s * SHARE_OF_PEAK, 0.5)
    tell(f"latency at {per_s:.1f} bookings per second for {seconds:.0f} s")
    found = await _measured(bench_stack, lambda driver, times: _evenly(driver, times, per_s, seconds))
    tell(f"latency of one booking at a time, {_IDLE_BOOKINGS} times")
    return {"per_s": round(per_s, 2), **found, "idle": await _measured(bench_stack, _one_at_a_time)}


async def _measured(
    bench_stack: BenchStack, play: Callable[[LoadDriver, StepTimes], Awaitable[None]]
) -> Json:
    times = StepTimes()
    await bench_stack.forget_requests()
    async with bench_stack.driver() as driver, _relayed(bench_stack) as relay:
        await play(driver, times)
        await bench_stack.mails_out(driver.confirmed)
        stand_in = _stand_in_ms((await bench_stack.requests())["requests"])
    return {
        "bookings": len(times.whole),
        "failed": times.failed,
        "stand_in_p50_ms": stand_in,
        "webhook_to_2xx": spread(relay.seconds.get("200", [])),
        "webhooks_not_2xx": sum(len(found) for status, found in relay.seconds.items() if status != "200"),
        "paid_to_pending_approval_visible": spread(times.visible),
        "session": _less(times.session, stand_in["session"]),
        "approve_to_confirmed": _less(times.approve, stand_in["read"] + stand_in["capture"]),
        "create": spread(times.create),
    }


async def _one_at_a_time(driver: LoadDriver, times: StepTimes) -> None:
    for _ in range(_IDLE_BOOKINGS):
        await driver.whole(times, _IDLE_THINK_S)
        await asyncio.sleep(_IDLE_THINK_S)


async def _evenly(driver: LoadDriver, times: StepTimes, per_s: float, seconds: float) -> None:
    plays, begun = set[asyncio.Task[None]](), time.perf_counter()

    async def drive() -> None:
        try:
            await driver.whole(times, _THINK_S)
        except (httpx.HTTPError, TimeoutError):
            times.failed += 1

    while (now := time.perf_counter() - begun) < seconds:
        due = len(plays) / per_s
        if now < due:
            await asyncio.sleep(due - now)
        plays.add(asyncio.create_task(drive()))
    await asyncio.gather(*plays)


def _stand_in_ms(requests: list[Json]) -> dict[str, float]:
    """The stand-in's own median time for each route, in milliseconds."""
    found = {}
    for name, route in _ROUTES.items():
        took = [
            request["duration_ms"] / 1000
            for request in requests
            if f"{request['method']} {request['route']}" == route and request["duration_ms"] is not None
        ]
        found[name] = percentile(took, 0.5)
    return found


def _less(seconds: list[float], stand_in_ms: float) -> Json:
    whole = spread(seconds)
    less = {
        f"{name.removesuffix('_ms')}_less_stand_in_ms": round(max(value - stand_in_ms, 0.0), 1)
        for name, value in whole.items()
        if name.endswith("_ms")
    }
    return whole | less
