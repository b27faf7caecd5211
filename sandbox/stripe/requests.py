"""A log of API requests, for tests and demos. It stores no bodies, and so no card data."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any, Final

_KEPT: Final = 2000


@dataclass
class LoggedRequest:
    """One request. `status` is null while it is under way, and stays null if no answer was sent."""

    at: float
    request_id: str
    method: str
    path: str
    route: str
    idempotency_key: str | None
    status: int | None = None
    replayed: bool = False
    fault: str | None = None
    duration_ms: float | None = None


class StripeRequestLog:
    """The last requests, and their counts by `METHOD route`, in memory."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._last: deque[LoggedRequest] = deque(maxlen=_KEPT)

    def add(self, entry: LoggedRequest) -> None:
        """Record an incoming request; its status may be set later."""
        self._counts[f"{entry.method} {entry.route}"] += 1
        self._last.append(entry)

    def clear(self) -> None:
        """Reset the counts."""
        self._counts.clear()
        self._last.clear()

    def summary(self, limit: int) -> dict[str, Any]:
        """Return the counts, and the last `limit` requests, newest first."""
        newest = list(self._last)[::-1][:limit]
        return {
            "total": self._counts.total(),
            "counts": dict(sorted(self._counts.items())),
            "requests": [asdict(entry) for entry in newest],
        }
