"""Injects random faults into the stack, and ends them again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Any, Final

import httpx

from sandbox.stack import PartError, Stack

Tell = Callable[[str], None]

_PARTS: Final = {"worker": 4, "api": 3, "temporal": 2, "postgres": 2, "stripe": 3, "pusher": 1, "mail": 1}
_PAUSE_S: Final = (1.5, 8.0)
_AWAY_S: Final = (0.3, 6.0)
_FROZEN_S: Final = (0.5, 8.0)

_REQUESTS: Final = (
    "POST /v1/payment_intents/*/capture",
    "POST /v1/payment_intents/*/cancel",
    "POST /v1/refunds",
    "POST /v1/checkout/sessions",
    "POST /v1/checkout/sessions/*/expire",
    "GET /v1/payment_intents/*",
    "GET /v1/checkout/sessions/*",
)
_REQUEST_KINDS: Final = (
    "error_before",
    "error_after",
    "hang",
    "hang_after",
    "drop_before",
    "drop_after",
    "delay",
)
_WEBHOOK_KINDS: Final = ("drop", "duplicate", "duplicate_event", "reorder", "delay")


@dataclass(frozen=True)
class InjectedFault:
    """A fault that was injected.

    Args:
        at_s: seconds since the run began.
        lasted_s: seconds until it was ended; 0 for a fault that ends by itself.
    """

    at_s: float
    kind: str
    what: str
    lasted_s: float = 0.0


class FaultInjector:
    """Chooses faults at random.

    Args:
        http: client for the stand-ins' control APIs.
        tell: called with each fault.
    """

    def __init__(self, stack: Stack, http: httpx.AsyncClient, chance: random.Random, tell: Tell) -> None:
        self._stack = stack
        self._http = http
        self._chance = chance
        self._tell = tell
        self._begun = time.monotonic()
        self.faults: list[InjectedFault] = []

    async def work(self, until: Callable[[], bool]) -> None:
        """Inject a fault every few seconds until the time is over, then end all faults."""
        acts = (
            self._kill,
            self._kill,
            self._freeze,
            self._order_request_fault,
            self._order_request_fault,
            self._order_webhook_fault,
        )
        try:
            while not until():
                await asyncio.sleep(self._chance.uniform(*_PAUSE_S))
                await self._chance.choice(acts)()
        finally:
            await self.mend()

    async def mend(self) -> None:
        """Remove all faults from the stand-ins, and restart all parts that are down."""
        for part in self._stack.parts:
            if self._stack.exit_status(part) is not None:
                await self._bring_back(part)
        for stand_in in ("stripe", "pusher", "inbox"):
            await self._http.delete(f"{self._stack.url[stand_in]}/_sandbox/faults")

    def report(self) -> list[dict[str, Any]]:
        """Every fault, in order."""
        return [asdict(fault) for fault in self.faults]

    def _note(self, fault: InjectedFault) -> None:
        self.faults.append(fault)
        lasted = f" for {fault.lasted_s:.1f} s" if fault.lasted_s else ""
        self._tell(f"{fault.at_s:6.1f} s  {fault.kind} {fault.what}{lasted}")

    def _now(self) -> float:
        return round(time.monotonic() - self._begun, 1)

    def _part(self) -> str:
        kind = self._chance.choices(list(_PARTS), list(_PARTS.values()))[0]
        return self._chance.choice([part for part in self._stack.parts if part.rstrip("0123456789") == kind])

    async def _kill(self) -> None:
        part, away_s, at_s = self._part(), self._chance.uniform(*_AWAY_S), self._now()
        self._note(InjectedFault(at_s, "kill -9", part, round(away_s, 1)))
        await asyncio.to_thread(self._stack.kill, part)
        await asyncio.sleep(away_s)
        await self._bring_back(part)

    async def _bring_back(self, part: str) -> None:
        try:
            await asyncio.to_thread(self._stack.restart, part)
        except PartError as error:
            # A worker is ready once Temporal is; `mend` restarts any other part that did not come up.
            self._tell(f"{part} is slow to come back: {str(error).splitlines()[0]}")

    async def _freeze(self) -> None:
        part, frozen_s, at_s = self._part(), self._chance.uniform(*_FROZEN_S), self._now()
        self._note(InjectedFault(at_s, "freeze", part, round(frozen_s, 1)))
        self._stack.pause(part)
        try:
            await asyncio.sleep(frozen_s)
        finally:
            self._stack.resume(part)

    async def _order_request_fault(self) -> None:
        match, kind = self._chance.choice(_REQUESTS), self._chance.choice(_REQUEST_KINDS)
        status = self._chance.choice([500, 500, 502, 503, 429, 409])
        await self._order(match, kind, status=status, times=self._chance.randint(1, 4))

    async def _order_webhook_fault(self) -> None:
        await self._order("WEBHOOK *", self._chance.choice(_WEBHOOK_KINDS), times=self._chance.randint(2, 20))

    async def _order(self, match: str, kind: str, **more: Any) -> None:
        order: Coroutine[Any, Any, httpx.Response] = self._http.post(
            f"{self._stack.url['stripe']}/_sandbox/faults", json={"match": match, "kind": kind, **more}
        )
        (await order).raise_for_status()
        self._note(InjectedFault(self._now(), kind, f"{match} ×{more['times']}"))
