"""Bar charts as plain geometry; `templates/pages/staff/_chart.html` draws them as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from wording.values import axis_day

WIDTH: Final = 960
HEIGHT: Final = 260
LEFT: Final = 64
RIGHT: Final = WIDTH - LEFT
_TOP, _BOTTOM = 12, 34
_TICKS: Final = 4
_DAYS_BETWEEN_LABELS: Final = 5
_GAP: Final = 0.24  # of a day's width, left free between days

FLOOR: Final = HEIGHT - _BOTTOM
_ROOM: Final = FLOOR - _TOP


@dataclass(frozen=True)
class Series:
    """One kind of bar.

    Args:
        name: for the legend and the tooltip of a bar.
        style: the CSS class of its bars; each also has a pattern of its own.
        values: one for each day, none negative.
    """

    name: str
    style: str
    values: Sequence[int]


@dataclass(frozen=True)
class Bar:
    """A rectangle, with its value in words."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


@dataclass(frozen=True)
class Tick:
    """A label at a position of an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """All parts of a drawing."""

    bars: Sequence[Bar]
    y_ticks: Sequence[Tick]
    x_ticks: Sequence[Tick]
    legend: Sequence[Series]


def bar_chart(
    days: Sequence[date],
    series: Sequence[Series],
    in_words: Callable[[int], str],
    *,
    stacked: bool,
    in_short: Callable[[int], str] | None = None,
) -> Chart:
    """Lay out bars for each day.

    Args:
        in_words: writes a value.
        in_short: writes a value on the axis, where space is short; `in_words` by default.
        stacked: bars on top of each other, else side by side.
    """
    by_day = [tuple(each.values[at] for each in series) for at in range(len(days))]
    highest = max((sum(values) if stacked else max(values) for values in by_day), default=0)
    step = tick_step(highest)
    top = max(step, -(-highest // step) * step)
    slot = (RIGHT - LEFT) / max(1, len(days))
    bars = []
    for at, day in enumerate(days):
        x, width = LEFT + slot * (at + _GAP / 2), slot * (1 - _GAP)
        place = _stacked if stacked else _side_by_side
        for each, value, (left, bottom, wide) in zip(
            series, by_day[at], place(by_day[at], x, width), strict=True
        ):
            if value:
                height = _ROOM * value / top
                title = f"{axis_day(day)}: {each.name} {in_words(value)}"
                y = FLOOR - _ROOM * bottom / top - height
                bars.append(
                    Bar(round(left, 2), round(y, 2), round(wide, 2), round(height, 2), each.style, title)
                )
    return Chart(bars, _y_ticks(top, step, in_short or in_words), _x_ticks(days, slot), series)


def tick_step(highest: int) -> int:
    """The distance of a few round numbers up to `highest`: 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if step * _TICKS >= highest:
                return step
        power *= 10


def _stacked(values: Sequence[int], x: float, width: float) -> list[tuple[float, int, float]]:
    return [(x, sum(values[:at]), width) for at in range(len(values))]


def _side_by_side(values: Sequence[int], x: float, width: float) -> list[tuple[float, int, float]]:
    each = width / max(1, len(values))
    return [(x + each * at, 0, each) for at in range(len(values))]


def _y_ticks(top: int, step: int, in_words: Callable[[int], str]) -> list[Tick]:
    return [Tick(round(FLOOR - _ROOM * value / top, 2), in_words(value)) for value in range(0, top + 1, step)]


def _x_ticks(days: Sequence[date], slot: float) -> list[Tick]:
    # Counted from the end, so that the last day always has its label.
    last = len(days) - 1
    return [
        Tick(round(LEFT + slot * (at + 0.5), 2), axis_day(day))
        for at, day in enumerate(days)
        if (last - at) % _DAYS_BETWEEN_LABELS == 0
    ]
