"""Short forms for columns of one kind."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

INSTANT = sa.DateTime(timezone=True)


def required(kind: sa.types.TypeEngine[Any], names: str) -> list[sa.Column[Any]]:
    """Columns that are not null; ``names`` are separated by blanks."""
    return [sa.Column(name, kind, nullable=False) for name in names.split()]


def optional(kind: sa.types.TypeEngine[Any], names: str) -> list[sa.Column[Any]]:
    """Columns that may be null; ``names`` are separated by blanks."""
    return [sa.Column(name, kind, nullable=True) for name in names.split()]
