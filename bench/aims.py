"""The aims, each beside what a run reached."""

from __future__ import annotations

from collections.abc import Iterator
from operator import ge, le
from typing import Any, Final, NamedTuple

from bench.rounds import ratio
from bench.versus import AIMED_MS

Json = dict[str, Any]

_CROWD: Final = 50


class Aim(NamedTuple):
    """A line of the table.

    Args:
        aim: the figure aimed at, as text.
        reached: the figure of this run, as text.
        verdict: `met`, `missed`, or `–` where a figure is only told.
    """

    what: str
    aim: str
    reached: str
    verdict: str


def aims(found: Json) -> list[Aim]:
    """The lines for the measurements of a run."""
    return [
        *_rates(found.get("throughput", [])),
        *_direct(found.get("versus")),
        *_cost(found.get("throughput", []), found.get("counts")),
        *_latencies(found.get("latency")),
        *_many(found.get("waiting"), found.get("rows"), found.get("kill")),
    ]


def _at_least(what: str, aim: float, wish: float | None, reached: float) -> Aim:
    wished = f", wish {wish:g}" if wish else ""
    return Aim(what, f"≥ {aim:g}{wished}", f"{reached:.2f}", _verdict(ge(reached, aim)))


def _at_most(what: str, aim: float, unit: str, reached: float, wish: float | None = None) -> Aim:
    wished = f" (wish {wish:g})" if wish else ""
    return Aim(what, f"≤ {aim:g}{unit}{wished}", f"{reached:.4g}{unit}", _verdict(le(reached, aim)))


def _told(what: str, reached: str) -> Aim:
    return Aim(what, "told", reached, "–")


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _rates(rows: list[Json]) -> Iterator[Aim]:
    by_level = {row["at_once"]: row for row in rows}
    if row := by_level.get(_CROWD):
        yield _at_least(f"product ÷ ceiling, {_CROWD} in flight", 0.65, 0.8, row["ratio"])
        if most := by_level.get(200):
            steady = ratio(most["product"]["per_s"], row["product"]["per_s"])
            yield _at_least("200 in flight ÷ 50 in flight, the product's throughput", 0.9, None, steady)


def _direct(versus: Json | None) -> Iterator[Aim]:
    for row in versus["by_stripe_latency"] if versus else ():
        if row["stripe_ms"] == AIMED_MS:
            what = f"product ÷ direct design, 20 in flight, Stripe at {AIMED_MS} ms"
            yield _at_least(what, 0.35, 0.5, row["ratio"])


def _cost(rows: list[Json], counts: Json | None) -> Iterator[Aim]:
    for row in rows:
        if row["at_once"] == _CROWD:
            cpu = row["product"]["cpu_ms_per_booking"]
            yield _at_most(f"worker CPU a booking, {_CROWD} in flight", 120, " ms", cpu["worker"])
            yield _at_most(f"API CPU a booking, {_CROWD} in flight", 60, " ms", cpu["api"])
    if counts:
        yield _at_most("history events", 50, "", counts["history_events"])
        yield _at_most("workflow tasks", 9, "", counts["workflow_tasks"])
        yield _at_most("statements", 30, "", counts["database_statements"])
        yield _at_most("transactions", 12, "", counts["database_transactions"])
        yield _at_most("requests to Stripe", 4, "", counts["stripe_requests_total"])


def _latencies(latency: Json | None) -> Iterator[Aim]:
    if not latency:
        return
    load = f"{latency['per_s']} bookings/s (60% of the peak)"
    p99, p50 = latency["webhook_to_2xx"]["p99_ms"], latency["approve_to_confirmed"]["p50_less_stand_in_ms"]
    yield _at_most(f"webhook → 2xx, p99, at {load}", 120, " ms", p99, wish=50)
    yield _at_most("approve → CONFIRMED, p50, at the same load", 200, " ms", p50, wish=150)
    idle = latency["idle"]
    yield _told("webhook → 2xx, p99, one booking at a time", f"{idle['webhook_to_2xx']['p99_ms']:.0f} ms")
    alone = idle["approve_to_confirmed"]["p50_less_stand_in_ms"]
    yield _told("approve → CONFIRMED, p50, one booking at a time", f"{alone:.0f} ms")


def _many(waiting: Json | None, rows: Json | None, kill: Json | None) -> Iterator[Aim]:
    if waiting:
        held = waiting["memory_mib"]["with_all_waiting"]
        yield _at_most(f"worker's memory, {waiting['waiting']} bookings waiting", 250, " MiB", held["worker"])
        yield _told(
            f"Temporal's memory, {waiting['waiting']} bookings waiting", f"{held['temporal']:.0f} MiB"
        )
        due = waiting["deadlines"]
        yield _at_most(f"{due['due']} deadlines in one minute", 90, " s", due["drained_s"])
    if rows:
        p50 = rows["queue_page"]["p50_ms"]
        yield _at_most(f"queue of {rows['waiting_rows']}, p50", 50, " ms", p50)
    if kill:
        yield _at_most("wrong bookings after `kill -9`", 0, "", kill["product"]["wrong"])
