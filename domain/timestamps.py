"""Times as the outside world reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What a time is in a message that does not name one."""


def rfc3339(instant: datetime) -> str:
    """An instant in UTC with a `Z`, as RFC 3339 has it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
