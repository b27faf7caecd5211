"""Held cards, for the people who decide."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.schema.columns import optional

_DETAILS = "brand last4 funding country cvc_check postal_code_check three_d_secure wallet risk_level"


def create_cards() -> None:
    """Create the table. Its texts are Stripe's, so they have no length that an insert could exceed."""
    op.create_table(
        "card_details",
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("payment_intent_id", sa.String(length=255), nullable=False),
        *optional(sa.String(), _DETAILS),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
        sa.PrimaryKeyConstraint("booking_id", "payment_intent_id"),
    )
