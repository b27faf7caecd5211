"""Delivers events to the webhook endpoint: signed, retried like Stripe's, with injected faults.

https://docs.stripe.com/webhooks. Deliveries do not wait for one another. Pending deliveries are in the store, so a
restart resumes them; a retry has a new timestamp and signature.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sandbox.faults import WEBHOOK_FAULTS, Fault, FaultKind, Faults
from sandbox.stripe.clock import StripeClock
from sandbox.stripe.ids import new_id
from sandbox.stripe.poster import NoAnswerError, Poster
from sandbox.stripe.shapes import Obj, shaped
from sandbox.stripe.store import Store

TIMEOUT_S: Final = 10.0
GIVE_UP_AFTER_S: Final = 3 * 86_400.0
LONGEST_RETRY_S: Final = 60.0
EVERYTHING: Final = "*"
_KEPT_OUTCOMES: Final = 50
_EVENT: Final = "event"


@dataclass(frozen=True)
class Endpoint:
    """The webhook endpoint.

    Args:
        url: the address.
        secrets: one `v1` signature is made with each.
        events: the event types it receives, or `*` for all.
    """

    url: str
    secrets: tuple[str, ...]
    events: tuple[str, ...] = (EVERYTHING,)

    def wants(self, event_type: str) -> bool:
        """Whether it receives events of this type."""
        return EVERYTHING in self.events or event_type in self.events


@dataclass
class StripeDelivery:
    """One pending delivery, as in its row in the store.

    Args:
        id: of the row.
        event_id: of the event.
        type: of the event.
        cause: `event`, or the reason for a repeat.
        created_at: the computer's time, as Unix time in seconds; so is `next_at`.
        next_at: the time of the next attempt.
        attempts: the number of attempts.
        outcomes: the last attempts' statuses or error names.
        body: the body, cached for the first attempt.
    """

    id: int
    event_id: str
    type: str
    cause: str
    created_at: float
    next_at: float
    attempts: int = 0
    outcomes: list[int | str] = field(default_factory=list)
    body: bytes | None = None


def signature(body: bytes, secrets: Iterable[str], timestamp_s: int) -> str:
    """Return the `Stripe-Signature` header of a body."""
    signed = str(timestamp_s).encode() + b"." + body
    parts = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={timestamp_s}", *(f"v1={part}" for part in parts)])


def _body(event: Obj) -> bytes:
    return json.dumps(shaped({**event, "pending_webhooks": 1}), separators=(",", ":")).encode()


class StripeDeliverer:
    """Sends events to the endpoint; one task per delivery under way."""

    def __init__(self, store: Store, faults: Faults, clock: StripeClock, retry_base_s: float) -> None:
        self._store = store
        self._faults = faults
        self._clock = clock
        self._retry_base_s = retry_base_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[int, asyncio.Event] = {}
        self._awaited: dict[str, list[asyncio.Event]] = defaultdict(list)
        kept = store.setting("webhook_endpoint")
        self.endpoint = (
            Endpoint(kept["url"], tuple(kept["secrets"]), tuple(kept.get("events", [EVERYTHING])))
            if kept
            else None
        )
        self._poster = Poster()

    def configure(self, endpoint: Endpoint | None) -> None:
        """Set the endpoint for all further deliveries, also for retries; None stops them."""
        self.endpoint = endpoint
        kept = asdict(endpoint) if endpoint else None
        self._store.set_setting("webhook_endpoint", kept)

    def resume(self) -> None:
        """Resume the deliveries that were pending when the last run ended."""
        rows = self._store.execute("SELECT * FROM deliveries WHERE state = 'pending' ORDER BY id").fetchall()
        self.begin(
            StripeDelivery(
                row["id"],
                row["event_id"],
                row["type"],
                row["cause"],
                row["created_at"],
                row["next_at"],
                row["attempts"],
                json.loads(row["outcomes"]),
            )
            for row in rows
        )

    async def close(self) -> None:
        """Stop; pending deliveries stay in the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._poster.close()

    def plan(self, event: Obj, cause: str = _EVENT) -> StripeDelivery:
        """Store a delivery and return it; `begin` starts it."""
        now_s = time.time()
        cursor = self._store.execute(
            "INSERT INTO deliveries (event_id, type, cause, state, created_at, next_at) "
            "VALUES (?, ?, ?, 'pending', ?, ?)",
            *(event["id"], event["type"], cause, now_s, now_s),
        )
        assert cursor.lastrowid is not None
        return StripeDelivery(
            cursor.lastrowid, event["id"], event["type"], cause, now_s, now_s, body=_body(event)
        )

    def begin(self, deliveries: Iterable[StripeDelivery]) -> None:
        """Start deliveries, in this order. Their rows must have been committed."""
        for delivery in deliveries:
            task = asyncio.create_task(self._deliver(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def first_attempt(self, event_id: str) -> None:
        """Wait for the first attempt of an event, as Checkout does before it redirects the guest.

        A fault that drops or delays the event ends the wait, and so does the time limit.
        """
        if not self._store.execute(
            "SELECT 1 FROM deliveries WHERE event_id = ? AND state = 'pending' AND attempts = 0", event_id
        ).fetchone():
            return
        tried = asyncio.Event()
        self._awaited[event_id].append(tried)
        with suppress(TimeoutError):
            await asyncio.wait_for(tried.wait(), TIMEOUT_S)

    async def _deliver(self, delivery: StripeDelivery) -> None:
        state = "pending"
        while state == "pending":
            wait_s = delivery.next_at - time.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if delivery.cause == _EVENT and not await self._undisturbed(delivery):
                return
            outcome = await self._attempt(delivery)
            state = self._note(delivery, outcome)
            self._release_held(before=delivery.id)
            self._tried(delivery.event_id)

    async def _attempt(self, delivery: StripeDelivery) -> int | str:
        """Send once and return the HTTP status or the name of the error."""
        endpoint = self.endpoint
        if endpoint is None:
            return "no endpoint"
        body = delivery.body or _body(self._store.get("event", delivery.event_id))
        # Retries may go on for days, and be many.
        delivery.body = None
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, endpoint.secrets, int(self._clock.now_s())),
        }
        try:
            return await self._poster.post(endpoint.url, body, headers, TIMEOUT_S)
        except NoAnswerError as error:
            return str(error)
        except (OSError, ValueError) as error:
            return type(error).__name__

    def _note(self, delivery: StripeDelivery, outcome: int | str) -> str:
        """Store the result of an attempt, and return the delivery's state."""
        now_s = time.time()
        delivery.attempts += 1
        delivery.outcomes = [*delivery.outcomes, outcome][-_KEPT_OUTCOMES:]
        delivery.next_at = now_s + min(
            self._retry_base_s * 2 ** min(delivery.attempts - 1, 16), LONGEST_RETRY_S
        )
        state = "pending"
        if isinstance(outcome, int) and 200 <= outcome < 300:
            state = "delivered"
        elif now_s - delivery.created_at > GIVE_UP_AFTER_S:
            state = "failed"
        self._store.execute(
            "UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, outcomes = ? WHERE id = ?",
            *(state, delivery.attempts, delivery.next_at if state == "pending" else None),
            *(json.dumps(delivery.outcomes), delivery.id),
        )
        return state

    async def _undisturbed(self, delivery: StripeDelivery) -> bool:
        """Apply a webhook fault, if one matches; False if the delivery is dropped."""
        fault = self._faults.take(f"WEBHOOK {delivery.type}", WEBHOOK_FAULTS)
        if fault is None:
            return True
        if fault.kind is FaultKind.DUPLICATE:
            self._repeat(delivery.event_id, fault.copies)
        elif fault.kind is FaultKind.DUPLICATE_EVENT:
            self._retell(delivery.event_id)
        elif fault.kind is FaultKind.DROP:
            self._store.execute(
                "UPDATE deliveries SET state = 'dropped', next_at = NULL WHERE id = ?", delivery.id
            )
            self._tried(delivery.event_id)
            return False
        else:
            self._tried(delivery.event_id)
            await self._hold_back(delivery.id, fault)
        return True

    def _repeat(self, event_id: str, copies: int) -> None:
        event = self._store.get("event", event_id)
        self.begin([self.plan(event, "duplicate") for _ in range(copies)])

    def _retell(self, event_id: str) -> None:
        event = {**self._store.get("event", event_id), "id": new_id("evt")}
        with self._store.transaction():
            self._store.save(event)
            delivery = self.plan(event, "duplicate_event")
        self.begin([delivery])

    async def _hold_back(self, delivery_id: int, fault: Fault) -> None:
        if fault.kind is FaultKind.DELAY:
            await asyncio.sleep(fault.wait_s())
            return
        overtaken = self._held[delivery_id] = asyncio.Event()
        with suppress(TimeoutError):
            await asyncio.wait_for(overtaken.wait(), fault.wait_s())
        del self._held[delivery_id]

    def _release_held(self, *, before: int) -> None:
        for delivery_id, overtaken in self._held.items():
            if delivery_id < before:
                overtaken.set()

    def _tried(self, event_id: str) -> None:
        for tried in self._awaited.pop(event_id, []):
            tried.set()

    def redeliver(self, event: Obj, count: int) -> list[int]:
        """Send an event again, `count` times at once, regardless of earlier results. Faults are skipped."""
        deliveries = [self.plan(event, "redelivery") for _ in range(count)]
        self.begin(deliveries)
        return [delivery.id for delivery in deliveries]

    def listed(self, event_id: str | None, limit: int) -> list[dict[str, Any]]:
        """Return deliveries, newest first, with the result of each attempt."""
        where = "event_id = ?1" if event_id else "?1 IS NULL"
        rows = self._store.execute(
            f"SELECT * FROM deliveries WHERE {where} ORDER BY id DESC LIMIT ?2",  # noqa: S608 (its own text)
            *(event_id, limit),
        ).fetchall()
        return [{**dict(row), "outcomes": json.loads(row["outcomes"])} for row in rows]
