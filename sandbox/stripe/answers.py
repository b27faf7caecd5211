"""An API answer, before it becomes an HTTP response."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ApiAnswer:
    """A status, a JSON body, and headers beside the common ones."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def answer_of(status: int, body: dict[str, Any]) -> ApiAnswer:
    """Return an answer with a JSON body."""
    return ApiAnswer(status, json.dumps(body).encode())
