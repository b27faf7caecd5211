"""Until when a booking may be paid: as it was submitted, whatever its hotel's window is later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; of bookings submitted before, the hotel's window of today is the best that is known."""
    op.add_column("booking", sa.Column("payment_deadline", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        """
        update booking
        set payment_deadline = step.at + make_interval(secs => hotel.payment_window_s)
        from booking_timeline step, hotel
        where step.booking_id = booking.booking_id and step.event = 'submitted' and hotel.id = booking.hotel_id
        """
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_column("booking", "payment_deadline")
