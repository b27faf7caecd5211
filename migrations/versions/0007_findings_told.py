"""Of which findings of reconciliation people have been told, so that they are told once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; what was found before is told once more, by the next run that finds it."""
    told: sa.Column[bool] = sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("reconciliation_finding", told)


def downgrade() -> None:
    """Drop it."""
    op.drop_column("reconciliation_finding", "told")
