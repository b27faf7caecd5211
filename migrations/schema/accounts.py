"""Log-ins of staff."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.schema.columns import INSTANT, required


def create_accounts() -> None:
    """Create the tables; hotels and staff exist."""
    op.create_table(
        "staff_log_in",
        sa.Column("log_in_id", sa.String(length=40), primary_key=True),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        *required(INSTANT, "begun_at expires_at"),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"]),
    )
    op.create_index("ix_staff_log_in_staff_id", "staff_log_in", ["staff_id"])
    op.create_index("staff_log_in_age", "staff_log_in", ["expires_at"])
