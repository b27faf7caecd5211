"""The words by which staff find bookings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def create_search() -> None:
    """Create the table; it needs no extension of PostgreSQL."""
    op.create_table(
        "booking_search",
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(["row_id"], ["booking.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("row_id"),
    )
    op.create_index("booking_search_words", "booking_search", ["words"], postgresql_using="gin")
