"""Supervises a running stack: a part that dies by itself is restarted."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from typing import Final, NoReturn

from sandbox.stack import Stack

_LOOK_EVERY_S: Final = 0.5
_DEATHS_AT_MOST: Final = 3
_WITHIN_S: Final = 60.0


class GaveUpError(RuntimeError):
    """A part keeps dying."""


class Watchdog:
    """Restarts parts that die, up to three times a minute each."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._deaths: defaultdict[str, deque[float]] = defaultdict(deque)

    def forever(self) -> NoReturn:
        """Supervise all parts, without end.

        Raises:
            GaveUpError: a part keeps dying.
            PartError: a part did not restart.
        """
        while True:
            for part in self._stack.parts:
                self.look_after(part)
            time.sleep(_LOOK_EVERY_S)

    def look_after(self, part: str) -> None:
        """Restart the part if it has died."""
        status = self._stack.exit_status(part)
        if status is None:
            return
        deaths, now = self._deaths[part], time.monotonic()
        deaths.append(now)
        while deaths[0] < now - _WITHIN_S:
            deaths.popleft()
        what = f"{part} has ended by itself, {_how(status)}"
        if len(deaths) > _DEATHS_AT_MOST:
            raise GaveUpError(
                f"{what}, for the {len(deaths)}th time within a minute; see {self._stack.log(part)}"
            )
        print(f"{what}; starting it again, see {self._stack.log(part)}", flush=True)
        self._stack.restart(part)


def _how(status: int) -> str:
    return f"by signal {-status}" if status < 0 else f"with status {status}"
