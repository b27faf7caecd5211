"""Disputes of captured payments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.schema.columns import INSTANT, required


def create_disputes() -> None:
    """Create the table. Stripe's own codes have no length that an insert could exceed."""
    op.create_table(
        "dispute",
        sa.Column("dispute_id", sa.String(length=255), primary_key=True),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("payment_intent_id", sa.String(length=255), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        *required(sa.String(), "reason status"),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("evidence_due_by", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
    )
    op.create_index("dispute_booking", "dispute", ["booking_id"])
