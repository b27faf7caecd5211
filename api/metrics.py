"""Metrics for Prometheus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from api.booking_gauges import BookingGauges
from storage.figures import BookingFigures

_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)


@dataclass(frozen=True)
class DatabaseState:
    """The state of the product's upkeep, as the database has it.

    Args:
        backlog: events that wait in the inbox.
        findings_left: the findings that reconciliation could not heal.
        swept_at, reconciled_at: when each last completed; None for never.
    """

    backlog: int
    findings_left: int
    swept_at: datetime | None
    reconciled_at: datetime | None


class Metrics:
    """One registry per application: the metrics of two in one process must not add up."""

    def __init__(self) -> None:
        # The creation time of a series is of no use here, and doubles the number of series.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._bookings = BookingGauges(self._registry)
        self._requests = Counter(
            "http_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time to the end of the answer.",
            ["method", "route"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._backlog = Gauge(
            "stripe_inbox_backlog",
            "Stripe events kept and not yet delivered; NaN while the database is away.",
            registry=self._registry,
        )

        self._left = Gauge(
            "reconciliation_findings_left",
            "Findings that the newest complete reconciliation left for a person; NaN while the database is away.",
            registry=self._registry,
        )

        self._swept = Gauge(
            "sweep_last_complete_timestamp_seconds",
            "When the sweep last completed each of its steps; NaN for never, and while the database is away.",
            registry=self._registry,
        )
        self._reconciled = Gauge(
            "reconciliation_last_complete_timestamp_seconds",
            "When reconciliation last compared every booking; NaN for never, and while the database is away.",
            registry=self._registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def page(self, state: DatabaseState | None, figures: BookingFigures | None) -> bytes:
        """All metrics in Prometheus's text format.

        Args:
            state: the upkeep's state; None while the database is away.
            figures: of bookings; None while the database is away.
        """
        self._bookings.show(figures)
        self._backlog.set(state.backlog if state else math.nan)
        self._left.set(state.findings_left if state else math.nan)
        self._swept.set(_timestamp(state.swept_at if state else None))
        self._reconciled.set(_timestamp(state.reconciled_at if state else None))
        return generate_latest(self._registry)


def _timestamp(at: datetime | None) -> float:
    return at.timestamp() if at else math.nan
