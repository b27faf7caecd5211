"""Gauges of bookings, for Prometheus."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Gauge

from domain.money import Money
from storage.figures import BookingFigures


class BookingGauges:
    """The gauges of `BookingFigures`. While the database is away they are NaN, and those with a label are left out."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._by_status = Gauge(
            "bookings", "Bookings whose stay is not over, by status.", ["status"], registry=registry
        )
        self._held = Gauge(
            "held_amount",
            "Money held on cards, neither captured nor released, in the currency's own unit.",
            ["currency"],
            registry=registry,
        )
        self._deadline = Gauge(
            "next_decision_deadline_timestamp_seconds",
            "Earliest deadline of a decision on a hold, not the time at which a hold lapses; NaN without holds.",
            registry=registry,
        )
        self._attention = Gauge(
            "bookings_needing_attention", "Bookings that need attention.", registry=registry
        )
        self._unsent = Gauge(
            "mails_unsent",
            "E-mails begun within 24 hours that no mail server has accepted yet; without those to unpaid guests.",
            registry=registry,
        )

    def show(self, figures: BookingFigures | None) -> None:
        """Set all gauges; None while the database is away."""
        self._by_status.clear()
        self._held.clear()
        if figures is None:
            for gauge in (self._deadline, self._attention, self._unsent):
                gauge.set(math.nan)
            return
        for status, count in figures.by_status.items():
            self._by_status.labels(status).set(count)
        for currency, minor in figures.held_minor.items():
            self._held.labels(currency).set(float(str(Money(minor, currency))))
        deadline = figures.next_decision_deadline
        self._deadline.set(deadline.timestamp() if deadline else math.nan)
        self._attention.set(figures.needing_attention)
        self._unsent.set(figures.unsent_mails)
