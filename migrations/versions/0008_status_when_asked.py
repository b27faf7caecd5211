"""In which status of the booking a decision was asked for: what cancelling cost then is what it may cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; of what was asked for before it is not known."""
    op.add_column("booking_command", sa.Column("asked_in", sa.String(20), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("booking_command", "asked_in")
