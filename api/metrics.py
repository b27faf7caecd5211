"""Figures for Prometheus."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One registry per application: two in one process must not add up."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
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
            "Stripe events kept and not yet handed on; NaN while the database is away.",
            registry=self._registry,
        )

        self._left = Gauge(
            "reconciliation_findings_left",
            "What the newest complete reconciliation left for a person; NaN while the database is away.",
            registry=self._registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def page(self, backlog: float, findings_left: float) -> bytes:
        """All figures in Prometheus's text format.

        Args:
            backlog: events that wait in the inbox.
            findings_left: what reconciliation left for a person.
        """
        self._backlog.set(backlog)
        self._left.set(findings_left)
        return generate_latest(self._registry)
