"""Plays the people of complete bookings, and times them from outside."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import httpx

from bench.realtime import BookingListener

Json = dict[str, Any]

_PATIENCE_S: Final = 120.0
PAID: Final = 303


@dataclass(frozen=True)
class LoadTarget:
    """The system under load: the product, or the direct design, which has the same paths.

    Args:
        api: its base URL.
        hotel: the slug of the hotel to book at.
        staff_token: token of an approver; empty if the target needs none.
    """

    api: str
    hotel: str
    staff_token: str


@dataclass
class StepTimes:
    """Seconds of each step, for each complete booking, and a count of the others.

    Args:
        turned_away: requests that were answered 503, and repeated.
    """

    create: list[float] = field(default_factory=list)
    session: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)
    approve: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    failed: int = 0
    turned_away: int = 0
    reasons: set[str] = field(default_factory=set)


class LoadDriver:
    """Plays guests and staff.

    Args:
        http: one client for all; it must not follow redirects.
        listener: reports each change of a booking's status.
    """

    def __init__(self, http: httpx.AsyncClient, target: LoadTarget, listener: BookingListener) -> None:
        self._http = http
        self._target = target
        self._listener = listener
        self._public = f"{target.api}/api/public/hotel/{target.hotel}/room-bookings/"
        self._staff = f"{target.api}/api/staff/hotel/{target.hotel}/room-bookings/"
        self.made: list[str] = []
        self.confirmed: list[str] = []
        check_in = datetime.now(UTC).date() + timedelta(days=60)
        self._body: Json = {
            "room_type": "double",
            "check_in": check_in.isoformat(),
            "check_out": (check_in + timedelta(days=2)).isoformat(),
            "adults": 2,
        }

    async def whole(self, times: StepTimes, think_s: float = 0) -> None:
        """Run one booking: create, pay, authorized, approve, confirmed.

        Args:
            think_s: seconds between authorization and approval.
        """
        begun = time.perf_counter()
        booking_id = await self.hold(times)
        await asyncio.sleep(think_s)
        await self.approve(booking_id, times)
        await self._listener.until(booking_id, "CONFIRMED", _PATIENCE_S)
        self.confirmed.append(booking_id)
        times.whole.append(time.perf_counter() - begun)

    async def hold(self, times: StepTimes) -> str:
        """Create a booking and pay; returns its id once it is PENDING_APPROVAL."""
        begun = time.perf_counter()
        once = {"Idempotency-Key": str(uuid4())}
        booking = await self._json(times, self._public, headers=once, json=self._body | {"guest": _guest()})
        booking_id = str(booking["booking_id"])
        self.made.append(booking_id)
        times.create.append(time.perf_counter() - begun)
        headers = {"Authorization": f"Bearer {booking['access_token']}"}
        begun = time.perf_counter()
        page = f"{self._public}{booking_id}/payment/session/"
        session = await self._json(times, page, headers=headers, json={})
        times.session.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        paid = await self._http.post(session["payment_url"], data={"card_number": "4242424242424242"})
        if paid.status_code != PAID:
            raise httpx.HTTPError(f"the payment page answered {paid.status_code}")
        visible_at = await self._listener.until(booking_id, "PENDING_APPROVAL", _PATIENCE_S)
        times.visible.append(max(visible_at - begun, 0.0))
        return booking_id

    async def approve(self, booking_id: str, times: StepTimes) -> None:
        """Approve, and wait until the decision is settled."""
        begun = time.perf_counter()
        headers = {"Authorization": f"Bearer {self._target.staff_token}"}
        answer = await self._json(times, f"{self._staff}{booking_id}/approve/", headers=headers)
        if not answer["settled"]:
            # As the staff console does: after a 202, wait for the realtime event.
            await self._listener.until(booking_id, "CONFIRMED", _PATIENCE_S)
        times.approve.append(time.perf_counter() - begun)

    async def _json(self, times: StepTimes, url: str, **options: Any) -> Json:
        """Post; after a 503, or while the first request of a key is under way, wait and post the same again."""
        until = time.perf_counter() + _PATIENCE_S
        while True:
            response = await self._http.post(url, **options)
            is_away = response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            is_under_way = response.status_code == HTTPStatus.CONFLICT and "Retry-After" in response.headers
            if not (is_away or is_under_way) or time.perf_counter() > until:
                found: Json = response.raise_for_status().json()
                return found
            times.turned_away += is_away
            problem = response.json()
            times.reasons.add(f"{response.status_code} {problem['code']}: {problem['detail']}")
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))


def _guest() -> Json:
    """A guest with a mailbox of their own: bookings for one mailbox are limited."""
    return {"first_name": "Load", "last_name": "Tester", "email": f"load-{uuid4().hex}@example.com"}


def percentile(values: list[float], share: float) -> float:
    """A percentile in milliseconds; 0 without samples."""
    ranked = sorted(values)
    return round(1000 * ranked[min(int(share * len(ranked)), len(ranked) - 1)], 1) if ranked else 0.0


def spread(values: list[float]) -> Json:
    """p50, p95 and p99 in milliseconds, and the number of samples."""
    return {
        "n": len(values),
        "p50_ms": percentile(values, 0.5),
        "p95_ms": percentile(values, 0.95),
        "p99_ms": percentile(values, 0.99),
    }
