"""Results as Markdown, as docs/performance.md has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from bench.aims import aims

Json = dict[str, Any]

_ENDS: Final = ("p50", "p95", "p99")
_STEPS: Final = {
    "webhook_to_2xx": "webhook → 2xx",
    "paid_to_pending_approval_visible": "paid → PENDING_APPROVAL heard on the channel",
    "session": "payment session, less the stand-in's time",
    "approve_to_confirmed": "approve → CONFIRMED, less the stand-in's time",
}


def markdown(found: Json) -> str:
    """The tables of a run, with headings."""
    machine = found["machine"]
    parts = [
        f"Measured {found['at']} at commit {found['commit']}: {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}, {found['worker_processes']} process(es) each for worker and API; "
        f"load average {machine['load_before']} before the run.",
        _section("Aims", _aims(found)),
        _section("One approved booking", _counts(found.get("counts"), found.get("throughput"))),
        _section("Throughput", _throughput(found.get("throughput"))),
        _section("Latency", _latency(found.get("latency"))),
        _section("Beside the direct design", _versus(found.get("versus"))),
        _section("Beside DBOS Transact", _dbos(found.get("dbos"))),
        _section("A crowd for the last rooms", _crowd(found.get("crowd"))),
        _section("Many waiting bookings", _waiting(found.get("waiting"))),
        _section("After `kill -9`", _kill(found.get("kill"))),
        _section("A million past bookings", _rows(found.get("rows"))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def publish(text: str, name: str, page: Path) -> None:
    """Replace what stands in a page between `<!-- name: begin -->` and `<!-- name: end -->`."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = page.read_text().partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"{page} has no place for {name}"
    page.write_text(f"{before}{begin}\n{text}{end}{after}")


def _section(title: str, body: str) -> str:
    return f"### {title}\n\n{body}" if body else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _aims(found: Json) -> str:
    rows = aims(found)
    return _table(("", "aim", "reached", ""), rows) if rows else ""


def _counts(counts: Json | None, rows: list[Json] | None) -> str:
    if not counts:
        return ""
    asked = ", ".join(f"{count} × `{request}`" for request, count in counts["stripe_requests"].items())
    kinds = ", ".join(f"{kind} {count}" for kind, count in counts["history_kinds"].items())
    several = ", ".join(str(count) for count in counts["history_events_of_all"])
    lines = [
        ("requests to Stripe", f"{counts['stripe_requests_total']}: {asked}"),
        ("activities, and local ones", f"{counts['activities']}, {counts['local_activities']}"),
        ("workflow tasks", counts["workflow_tasks"]),
        ("events in the history", f"{counts['history_events']} (of five bookings: {several}): {kinds}"),
        (
            "PostgreSQL, API and worker together",
            f"{counts['database_statements']} statements, {counts['room_statements']} of them for the room's claim; "
            f"{counts['database_transactions']} transactions, as reads need none",
        ),
    ]
    lines += [
        (f"CPU in ms, {row['at_once']} in flight", _cpu(row["product"]["cpu_ms_per_booking"]))
        for row in rows or ()
    ]
    return _table(("", ""), lines)


def _cpu(by_part: Json) -> str:
    of_product = {part: ms for part, ms in by_part.items() if part != "load"}
    load = f"; guests and staff {by_part['load']:.0f}" if "load" in by_part else ""
    return (
        f"{sum(of_product.values()):.0f}: "
        + ", ".join(f"{p} {ms:.0f}" for p, ms in of_product.items())
        + load
    )


def _throughput(rows: list[Json] | None) -> str:
    if not rows:
        return ""
    return _table(
        ("in flight", "product/s", "ceiling/s", "ratio", "product p50", "engine and worker CPU, product and ceiling",
         "times", "answered 503 and repeated", "failed", "used by other programs"),
        (
            (
                row["at_once"], _rate(row["product"]), _rate(row["ceiling"]), f"{row['ratio']:.2f}",
                _seconds(row["product"]["whole"]["p50_ms"]),
                f"{row['product']['engine_cpu_ms']:.0f}, {row['ceiling']['engine_cpu_ms']:.0f} ms",
                f"{row['engine_cpu_ratio']:.1f}", row["product"]["turned_away"], row["product"]["failed"],
                f"{100 * row['product']['others_share']:.0f}%",
            )
            for row in rows
        ),
    )  # fmt: skip


def _rate(run: Json) -> str:
    """A rate; where it is the median of several runs, with the slowest and the fastest."""
    rates = run.get("rounds_per_s", [])
    between = f" ({min(rates):.1f}–{max(rates):.1f})" if len(rates) > 1 else ""
    return f"{run['per_s']:.1f}{between}"


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.1f} s"


def _latency(found: Json | None) -> str:
    if not found:
        return ""
    return "\n\n".join(
        f"{title}: {run['bookings']} bookings, {run['failed']} failed, {run['webhooks_not_2xx']} webhooks not answered "
        f"2xx.\n\n{_table(('', *_ENDS, 'of'), _steps(run))}"
        for title, run in (
            (f"60% of the peak, {found['per_s']} bookings a second", found),
            ("One booking at a time", found["idle"]),
        )
    )


def _steps(run: Json) -> Iterable[Sequence[object]]:
    for name, title in _STEPS.items():
        value = run[name]
        less = "_less_stand_in" if "p50_less_stand_in_ms" in value else ""
        yield title, *(f"{value[f'{end}{less}_ms']:.0f} ms" for end in _ENDS), value["n"]


def _versus(versus: Json | None) -> str:
    if not versus:
        return ""
    tried = ", ".join(f"{s['processes']} × {s['pool']}: {s['per_s']:.1f}/s" for s in versus["shapes"])
    best = versus["best"]
    rows = (
        (
            f"{row['stripe_ms']} ms", _rate(row["direct"]), _rate(row["product"]), f"{row['ratio']:.2f}",
            _seconds(row["direct"]["approve"]["p50_ms"]), _seconds(row["product"]["approve"]["p50_ms"]),
        )
        for row in versus["by_stripe_latency"]
    )  # fmt: skip
    return (
        _table(
            ("Stripe takes", "direct/s", "product/s", "ratio", "direct, approve p50", "product, approve p50"),
            rows,
        )
        + f"\n\n{versus['at_once']} in flight; the direct design with {best['processes']} process(es) and a pool of "
        f"{best['pool']} each, the best of (processes × pool at 300 ms) {tried}."
    )


def _dbos(found: Json | None) -> str:
    if not found:
        return ""
    if "left_out" in found:
        return f"Left out: {found['left_out']}."
    return _table(
        ("in flight", "DBOS/s", "p50", "CPU of its process, of PostgreSQL"),
        (
            (
                row["at_once"], _rate(row), _seconds(row["p50_ms"]),
                f"{row['cpu_ms_per_booking']['process']:.0f}, {row['cpu_ms_per_booking']['postgres']:.0f} ms",
            )
            for row in found["rows"]
        ),
    )  # fmt: skip


def _crowd(crowd: Json | None) -> str:
    if not crowd:
        return ""
    return (
        f"{crowd['guests']} guests pay at the same moment for {crowd['rooms']} rooms, on two workers and two API "
        f"processes: {crowd['requests']} requests, {crowd['releases']} releases, {crowd['others']} others, "
        f"{crowd['deadlocks']} deadlocks, {crowd['rollbacks']} rolled back transactions, all {crowd['settled_s']} s "
        f"after the first payment.{'' if crowd['as_expected'] else ' **This is not what should have come out.**'}"
    )


def _kill(kill: Json | None) -> str:
    rows = (
        (name, f"{found['wrong']} of {found['bookings']}", ", ".join(f"{n} {how}" for how, n in found["how"].items()))
        for name, found in (kill or {}).items()
    )  # fmt: skip
    return _table(("design", "wrong", "how"), rows) if kill else ""


def _waiting(waiting: Json | None) -> str:
    if not waiting:
        return ""
    before, after = waiting["memory_mib"]["before"], waiting["memory_mib"]["with_all_waiting"]
    idle, was = waiting["idle_cpu_percent"]["with_all_waiting"], waiting["idle_cpu_percent"]["before"]
    first, due = waiting["approvals_of_the_first"], waiting["deadlines"]
    rows = [
        (
            f"{waiting['waiting']} bookings that wait, taken up at {waiting['made_per_s']} a second",
            f"the idle worker takes {idle['worker']}% of a core ({was['worker']}% before), "
            f"Temporal's server {idle['temporal']}% ({was['temporal']}%)",
        ),
        *((f"memory of {part}", f"{before[part]:.0f} → {after[part]:.0f} MiB") for part in before),
        ("the first of them approved", f"p50 {first['p50_ms']:.0f} ms, p95 {first['p95_ms']:.0f} ms"),
        ("console's queue", f"p50 {waiting['queue_page']['p50_ms']:.0f} ms"),
        (
            f"{due['due']} deadlines more, in the same minute",
            f"{due['left']} left after {due['drained_s']} s",
        ),
    ]
    return _table(("", ""), rows)


def _rows(rows: Json | None) -> str:
    if not rows:
        return ""
    reads = ((name, value) for name, value in rows.items() if isinstance(value, dict) and "p50_ms" in value)
    times = (
        (name.replace("_", " "), *(f"{value[f'{end}_ms']:.0f} ms" for end in _ENDS)) for name, value in reads
    )
    plans = (
        (read, "<br>".join(f"{' ← '.join(one['nodes'])}, {one['ms']} ms" for one in found))
        for read, found in rows["plans"].items()
    )
    return (
        f"{rows['rows']} past bookings and {rows['waiting_rows']} that wait.\n\n"
        f"{_table(('', *_ENDS), times)}\n\n{_table(('Read', 'Plan, from the top'), plans)}"
    )
