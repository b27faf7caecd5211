"""Waits until no work is left, then checks every promise over every booking."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from sandbox.evidence import DecisionReply, Evidence, delivered_events, read_database, read_sandbox
from sandbox.histories import TemporalCli
from sandbox.invariants import LATE, InvariantResult, check
from sandbox.stack import Stack

_LOOK_EVERY_S: Final = 3.0
_HISTORIES_READ: Final = 25


@dataclass(frozen=True)
class ChaosResult:
    """The result of a run.

    Args:
        statuses: number of bookings by status.
        waiting: bookings that need attention.
        healed_after_s: seconds until every promise held and no deadline was near; the whole patience if a promise
        does not hold.
    """

    results: Sequence[InvariantResult]
    statuses: Counter[str]
    waiting: int
    healed_after_s: float

    @property
    def holds(self) -> bool:
        """Whether every promise holds."""
        return all(result.holds for result in self.results)


async def check_once_healed(
    stack: Stack,
    http: httpx.AsyncClient,
    answers: Sequence[DecisionReply],
    *,
    patience_s: float,
    tell: Callable[[str], None],
) -> ChaosResult:
    """Check repeatedly until every promise holds or the time is over.

    Args:
        patience_s: seconds that retries may take to recover from the faults; mails take longest.
    """
    begun = time.monotonic()
    said = ""
    while True:
        waited = time.monotonic() - begun
        late = waited > patience_s
        evidence = await _collect(stack, http, answers)
        if not late and _awaits_a_deadline(evidence, timedelta(seconds=patience_s - waited)):
            await asyncio.sleep(_LOOK_EVERY_S)
            continue
        if late or not _broken_invariants(evidence):
            # Reading histories takes a while; an event that arrives in that time gets its own time to be processed.
            evidence = await _collect(stack, http, answers, histories=True)
        broken = _broken_invariants(evidence)
        if late or not broken:
            break
        text = ", ".join(f"{result.code} {len(result.violations)}" for result in broken)
        if text != said:
            tell(f"settling, {waited:3.0f} s: {text}")
            said = text
        await asyncio.sleep(_LOOK_EVERY_S)
    return ChaosResult(
        results=check(evidence),
        statuses=Counter(booking.status for booking in evidence.bookings),
        waiting=sum(booking.needs_attention for booking in evidence.bookings),
        healed_after_s=round(waited, 1),
    )


def _awaits_a_deadline(evidence: Evidence, patience: timedelta) -> bool:
    """Whether a booking's deadline falls within this time; its end can be checked only afterwards."""
    now = datetime.now(UTC)
    waiting = [booking.deadline for booking in evidence.bookings if not booking.needs_attention]
    return any(deadline is not None and now <= deadline + LATE < now + patience for deadline in waiting)


def _broken_invariants(evidence: Evidence) -> list[InvariantResult]:
    return [result for result in check(evidence) if not result.holds]


async def _collect(
    stack: Stack, http: httpx.AsyncClient, answers: Sequence[DecisionReply], *, histories: bool = False
) -> Evidence:
    delivered = await delivered_events(http, stack.url["stripe"])
    rows, inbox, nights = await read_database(stack.database_url)
    temporal = TemporalCli(stack.temporal_address)
    workflows = await temporal.statuses()
    read = random.Random(0).sample(sorted(workflows), min(_HISTORIES_READ, len(workflows)))
    return Evidence(
        bookings=rows,
        inbox=inbox,
        nights=nights,
        ledger=await read_sandbox(http, stack.url["stripe"], "ledger"),
        messages=await read_sandbox(http, stack.url["pusher"], "messages"),
        mails=await read_sandbox(http, stack.url["inbox"], "messages", contents="false"),
        answers=answers,
        workflows=workflows,
        histories=await temporal.histories(read) if histories else None,
        delivered=delivered,
        logs={
            path.stem: path.read_text(errors="replace")
            for part in ("api", "worker")
            for path in stack.logs.glob(f"{part}*.log")
        },
    )
