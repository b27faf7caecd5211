"""The staff console: indexes for its lists and figures, and for how full a hotel is on a night."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes; rooms are counted among the bookings of one status only."""
    op.create_index("booking_newest_of_status", "booking", ["hotel_id", "status", "created_at", "id"])
    op.create_index("booking_held", "booking", ["hotel_id", "payment_authorized_at"])
    op.create_index("booking_decided", "booking", ["hotel_id", "decision_made_at"])
    op.create_index(
        "booking_attention",
        "booking",
        ["hotel_id", "updated_at", "id"],
        postgresql_where="needs_attention is not null",
    )
    op.drop_index("booking_stay", "booking")
    op.create_index("booking_stay", "booking", ["room_type_id", "status", "check_in", "check_out"])


def downgrade() -> None:
    """Bring back what was there before."""
    op.drop_index("booking_stay", "booking")
    op.create_index("booking_stay", "booking", ["room_type_id", "check_in", "check_out"])
    for name in ("booking_attention", "booking_decided", "booking_held", "booking_newest_of_status"):
        op.drop_index(name, "booking")
