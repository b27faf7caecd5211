"""Times in the format of API answers and messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The value of a time in a message without one."""


def rfc3339(instant: datetime) -> str:
    """An instant in UTC with a `Z`, as RFC 3339 has it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
