"""How guests reach a hotel: printed on its pages and in its e-mails."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both; a hotel that gives neither has none."""
    op.add_column("hotel", sa.Column("contact_email", sa.String(length=320), nullable=True))
    op.add_column("hotel", sa.Column("contact_phone", sa.String(length=40), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("hotel", "contact_phone")
    op.drop_column("hotel", "contact_email")
