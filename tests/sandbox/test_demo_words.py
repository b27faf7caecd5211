"""The demo has words for every event of a booking: an unknown one would end its report."""

from __future__ import annotations

from domain.booking import Event
from sandbox.demo.report import EVENT_WORDS


def test_every_event_has_words() -> None:
    assert set(EVENT_WORDS) == set(Event)
