"""Draws results as plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

Json = dict[str, Any]


def plot(found: Json, folder: Path) -> list[Path]:
    """Draw what was measured; returns the files."""
    files = []
    if found.get("throughput"):
        files.append(_plot_throughput(found["throughput"], folder / "throughput.svg"))
        files.append(_plot_cpu(found["throughput"], folder / "cpu.svg"))
    if found.get("versus"):
        files.append(_plot_versus(found["versus"]["by_stripe_latency"], folder / "versus.svg"))
    return files


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
