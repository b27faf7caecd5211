"""The result of a check of one part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


class CheckFailedError(Exception):
    """A part is misconfigured.

    Args:
        found: the problem.
        advice: the fix.
    """

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found = found
        self.advice = advice


@dataclass(frozen=True)
class PartCheck:
    """One check of one part.

    Args:
        part: its name in the table.
        ask: returns a description; raises CheckFailedError, or its client's error if the part is away.
        settings: the variables that hold the part's address.
    """

    part: str
    ask: Callable[[], Awaitable[str]]
    settings: str


@dataclass(frozen=True)
class CheckResult:
    """The result of a check; `advice` is empty if there is nothing to do."""

    part: str
    found: str
    advice: str = ""
