"""What a check of one part comes to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


class CheckFailedError(Exception):
    """A part is not set up right.

    Args:
        found: what is wrong.
        advice: what to do.
    """

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found = found
        self.advice = advice


@dataclass(frozen=True)
class PartCheck:
    """One question to one part.

    Args:
        part: as the table names it.
        ask: returns what is there; raises CheckFailedError, or whatever its client raises where the part is away.
        settings: the variables that name the part: where to look when it does not answer.
    """

    part: str
    ask: Callable[[], Awaitable[str]]
    settings: str


@dataclass(frozen=True)
class CheckResult:
    """How a check came out; `advice` is empty where there is nothing to do."""

    part: str
    found: str
    advice: str = ""
