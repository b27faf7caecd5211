"""Indexes for lists of every status by deadline, and for what the sweep deletes every minute."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.create_index("booking_deadline", "booking", ["hotel_id", "decision_deadline", "id"])
    op.create_index("booking_draft", "booking", ["created_at"], postgresql_where="status = 'DRAFT'")
    op.create_index("idempotent_request_age", "idempotent_request", ["created_at"])
    op.create_index("rate_limit_minute", "rate_limit", ["minute"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("rate_limit_minute", "rate_limit")
    op.drop_index("idempotent_request_age", "idempotent_request")
    op.drop_index("booking_draft", "booking")
    op.drop_index("booking_deadline", "booking")
