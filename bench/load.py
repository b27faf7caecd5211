"""Bookings from beginning to end, so many at once, timed from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from bench.listening import Listener

Json = dict[str, Any]

_PATIENCE_S: Final = 60.0
_GUEST: Final = {"first_name": "Load", "last_name": "Tester", "email": "load@example.com"}
PAID: Final = 303


@dataclass(frozen=True)
class Target:
    """What is driven: the product, or the direct design, which has the same addresses.

    Args:
        api: its address.
        hotel: the hotel everybody books at.
        staff_token: of somebody who may approve; empty where nobody asks.
    """

    api: str
    hotel: str
    staff_token: str


@dataclass
class Times:
    """Seconds each step took, for each booking that came to its end; the rest is counted.

    Args:
        ended_at: when, by `time.perf_counter`.
    """

    create: list[float] = field(default_factory=list)
    session: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)
    approve: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    ended_at: list[float] = field(default_factory=list)
    failed: int = 0
    reasons: set[str] = field(default_factory=set)


class Driver:
    """Plays guests and staff.

    Args:
        http: one client for all; it must not follow redirects.
        listener: tells when a booking has moved.
    """

    def __init__(self, http: httpx.AsyncClient, target: Target, listener: Listener) -> None:
        self._http = http
        self._target = target
        self._listener = listener
        self._public = f"{target.api}/api/public/hotel/{target.hotel}/room-bookings/"
        self._staff = f"{target.api}/api/staff/hotel/{target.hotel}/room-bookings/"
        self.made: list[str] = []
        check_in = datetime.now(UTC).date() + timedelta(days=60)
        self._body = {
            "room_type": "double",
            "check_in": check_in.isoformat(),
            "check_out": (check_in + timedelta(days=2)).isoformat(),
            "adults": 2,
            "guest": _GUEST,
        }

    async def whole(self, times: Times) -> None:
        """One booking: create, pay, authorized, approve, confirmed."""
        begun = time.perf_counter()
        booking_id = await self.hold(times)
        await self.approve(booking_id, times)
        await self._listener.until(booking_id, "CONFIRMED", _PATIENCE_S)
        times.ended_at.append(time.perf_counter())
        times.whole.append(times.ended_at[-1] - begun)

    async def hold(self, times: Times) -> str:
        """Create a booking and pay; returns its id once it waits for the hotel."""
        begun = time.perf_counter()
        booking = await self._json("POST", self._public, json=self._body)
        booking_id = str(booking["booking_id"])
        self.made.append(booking_id)
        times.create.append(time.perf_counter() - begun)
        headers = {"Authorization": f"Bearer {booking['access_token']}"}
        begun = time.perf_counter()
        session = await self._json(
            "POST", f"{self._public}{booking_id}/payment/session/", headers=headers, json={}
        )
        times.session.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        paid = await self._http.post(session["payment_url"], data={"card_number": "4242424242424242"})
        if paid.status_code != PAID:
            raise httpx.HTTPError(f"the payment page answered {paid.status_code}")
        visible_at = await self._listener.until(booking_id, "PENDING_APPROVAL", _PATIENCE_S)
        times.visible.append(max(visible_at - begun, 0.0))
        return booking_id

    async def approve(self, booking_id: str, times: Times) -> None:
        """Approve, and go on until it is settled."""
        begun = time.perf_counter()
        headers = {"Authorization": f"Bearer {self._target.staff_token}"}
        answer = await self._json("POST", f"{self._staff}{booking_id}/approve/", headers=headers)
        if answer["settled"]:
            times.approve.append(time.perf_counter() - begun)

    async def _json(self, method: str, url: str, **options: Any) -> Json:
        response = await self._http.request(method, url, **options)
        found: Json = response.raise_for_status().json()
        return found


async def run(
    play: Callable[[Times], Awaitable[object]], *, at_once: int, seconds: float, least: int = 1
) -> tuple[Times, float]:
    """Keep `at_once` bookings in flight for so long, then let those under way finish.

    Args:
        play: one booking; notes its times.
        seconds: no booking is begun afterwards, once `least` have been.

    Returns:
        The times, and bookings that ended per second while all places were taken.
    """
    times, begun = Times(), time.perf_counter()
    until, started = begun + seconds, 0

    async def place() -> None:
        nonlocal started
        while time.perf_counter() < until or started < least:
            started += 1
            try:
                await play(times)
            except (httpx.HTTPError, TimeoutError, KeyError) as error:
                times.failed += 1
                times.reasons.add(f"{type(error).__name__}: {error}"[:200])

    await asyncio.gather(*(place() for _ in range(at_once)))
    return times, _rate(times, begun, max(until, begun))


def _rate(times: Times, begun: float, until: float) -> float:
    """Ends per second. The first ends come late, and the last ones out of a run that runs dry: neither counts."""
    ends = sorted(times.ended_at)
    if len(ends) < 2:
        return 0.0
    counted = [end for end in ends if end <= until]
    if len(counted) < 10:
        return len(ends) / (ends[-1] - begun)
    return (len(counted) - 1) / (counted[-1] - counted[0])


def percentile(values: list[float], share: float) -> float:
    """A percentile in milliseconds; 0 where there is nothing."""
    ranked = sorted(values)
    return round(1000 * ranked[min(int(share * len(ranked)), len(ranked) - 1)], 1) if ranked else 0.0


def spread(values: list[float]) -> Json:
    """p50, p95 and p99 in milliseconds, and how many there are."""
    return {
        "n": len(values),
        "p50_ms": percentile(values, 0.5),
        "p95_ms": percentile(values, 0.95),
        "p99_ms": percentile(values, 0.99),
    }
