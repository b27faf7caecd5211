"""Writes results as tables, JSON and plots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt
from rich import box
from rich.console import Console
from rich.table import Table

Json = dict[str, Any]

_CROWD: Final = 50


def write(found: Json, folder: Path) -> list[Path]:
    """Write the JSON and the plots; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "bench.json"
    report.write_text(json.dumps(found, indent=2) + "\n")
    files = [report]
    if found.get("throughput"):
        files.append(_plot_throughput(found["throughput"], folder / "throughput.svg"))
        files.append(_plot_cpu(found["throughput"], folder / "cpu.svg"))
    if found.get("versus"):
        files.append(_plot_versus(found["versus"]["by_stripe_latency"], folder / "versus.svg"))
    return files


def show(found: Json, console: Console) -> None:
    """Print the tables."""
    if rows := found.get("throughput"):
        table = _table(
            "Complete bookings per second", "at once", "product", "ceiling", "ratio", "p50 ms", "CPU ratio"
        )
        for row in rows:
            table.add_row(
                str(row["at_once"]), f"{row['product']['per_s']:.1f}", f"{row['ceiling']['per_s']:.1f}",
                f"{row['ratio']:.2f}", f"{row['product']['whole']['p50_ms']:.0f}", f"{row['engine_cpu_ratio']:.2f}",
            )  # fmt: skip
        console.print(table)
    if one := found.get("latency"):
        table = _table(f"Latency at {one['per_s']} bookings/s", "step", "n", "p50 ms", "p95 ms", "p99 ms")
        for name, value in one.items():
            if isinstance(value, dict) and "p50_ms" in value:
                table.add_row(name, str(value["n"]), *(f"{value[f'p{p}_ms']:.1f}" for p in (50, 95, 99)))
                if "p50_less_stand_in_ms" in value:
                    less = (f"{value[f'p{p}_less_stand_in_ms']:.1f}" for p in (50, 95, 99))
                    table.add_row("  less the stand-in's time", "", *less)
        console.print(table)
    if versus := found.get("versus"):
        table = _table(
            "Beside the direct design", "Stripe ms", "direct/s", "product/s", "approve p50", "approve p50"
        )
        for row in versus["by_stripe_latency"]:
            table.add_row(
                str(row["stripe_ms"]), f"{row['direct']['per_s']:.1f}", f"{row['product']['per_s']:.1f}",
                f"{row['direct']['approve']['p50_ms']:.0f}", f"{row['product']['approve']['p50_ms']:.0f}",
            )  # fmt: skip
        console.print(table)
        console.print_json(data=versus["after_kill"])
    for name in ("counts", "crowd", "waiting", "rows"):
        if name in found:
            console.print(f"[bold]{name}[/bold]")
            console.print_json(data=found[name])
    table = _table("Aims", "aim", "found", "")
    for aim, value, met in _aims(found):
        table.add_row(aim, value, "met" if met else "missed")
    if table.row_count:
        console.print(table)


def _aims(found: Json) -> Iterator[tuple[str, str, bool]]:
    """Rows of aim, result and verdict, for the measurements of this run."""
    crowd = next((row for row in found.get("throughput", []) if row["at_once"] == _CROWD), None)
    if crowd:
        yield f"half of the ceiling, {_CROWD} at once", f"{crowd['ratio']:.2f}", crowd["ratio"] >= 0.5
        ratio = crowd["engine_cpu_ratio"]
        yield "engine's CPU, 1.3 of the ceiling's at most", f"{ratio:.2f}", ratio <= 1.3
    if counts := found.get("counts"):
        yield "50 history events at most", str(counts["history_events"]), counts["history_events"] <= 50
        total = counts["stripe_requests_total"]
        yield "4 requests to Stripe at most", str(total), total <= 4
    if latency := found.get("latency"):
        p99 = latency["webhook_to_2xx"]["p99_ms"]
        yield "webhook to 2xx, p99 under 50 ms", f"{p99:.0f} ms", p99 < 50
        p50 = latency["approve_to_confirmed"]["p50_less_stand_in_ms"]
        yield "approve to CONFIRMED, p50 under 150 ms", f"{p50:.0f} ms", p50 < 150
    if rows := found.get("rows"):
        p50 = rows["queue_page"]["p50_ms"]
        yield f"queue of {rows['waiting_rows']}, p50 under 50 ms", f"{p50:.0f} ms", p50 < 50
    if versus := found.get("versus"):
        wrong = versus["after_kill"]["product"]["wrong"]
        yield "wrong bookings after `kill -9`: none", str(wrong), wrong == 0


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _plot_throughput(rows: list[Json], path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4))
    levels = [str(row["at_once"]) for row in rows]
    for name, marker in (("ceiling", "s"), ("product", "o")):
        axes.plot(levels, [row[name]["per_s"] for row in rows], marker=marker, label=name)
    axes.set_xlabel("bookings in flight")
    axes.set_ylabel("complete bookings per second")
    axes.set_ylim(bottom=0)
    axes.legend()
    axes.grid(visible=True, alpha=0.3)
    return _save(figure, path)


def _plot_cpu(rows: list[Json], path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4))
    parts = list(rows[0]["product"]["cpu_ms_per_booking"])
    levels = [str(row["at_once"]) for row in rows]
    bottom = [0.0] * len(rows)
    for part in parts:
        values = [row["product"]["cpu_ms_per_booking"][part] for row in rows]
        axes.bar(levels, values, bottom=bottom, label=part)
        bottom = [low + value for low, value in zip(bottom, values, strict=True)]
    axes.set_xlabel("bookings in flight")
    axes.set_ylabel("CPU ms per booking")
    axes.legend(fontsize="small")
    return _save(figure, path)


def _plot_versus(rows: list[Json], path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4))
    places = range(len(rows))
    for offset, name in ((-0.2, "direct"), (0.2, "product")):
        axes.bar([place + offset for place in places], [row[name]["per_s"] for row in rows], 0.4, label=name)
    axes.set_xticks(list(places), [f"{row['stripe_ms']} ms" for row in rows])
    axes.set_xlabel("time Stripe takes to answer")
    axes.set_ylabel("complete bookings per second")
    axes.legend()
    return _save(figure, path)


def _save(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    # No date, so that the same results make the same file.
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path
