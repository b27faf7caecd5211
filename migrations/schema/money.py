"""Money movements and Stripe's fees, for the hotel's books."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.schema.columns import INSTANT


def create_money() -> None:
    """Create both tables."""
    op.create_table(
        "money_movement",
        sa.Column("id", sa.BigInteger(), autoincrement=True, primary_key=True),
        sa.Column("hotel_id", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(["hotel_id"], ["hotel.id"]),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
        sa.CheckConstraint("amount_minor <> 0"),
    )
    op.create_index("money_movement_book", "money_movement", ["hotel_id", "at", "id"])
    op.create_index("money_movement_booking", "money_movement", ["booking_id"])
    op.create_table(
        "stripe_fee",
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("payment_intent_id", sa.String(length=255), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
        sa.PrimaryKeyConstraint("booking_id", "payment_intent_id"),
    )
