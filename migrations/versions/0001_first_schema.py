"""The first schema: hotels, bookings, their history, payments, limits on requests, and reconciliation.

Until version 1.0 a change of the schema edits this migration and the modules it calls.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.schema.accounts import create_accounts
from migrations.schema.bookings import create_bookings
from migrations.schema.cards import create_cards
from migrations.schema.disputes import create_disputes
from migrations.schema.hotels import create_hotels
from migrations.schema.money import create_money
from migrations.schema.upkeep import create_upkeep

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table, those first that others refer to."""
    create_hotels()
    create_accounts()
    create_bookings()
    create_cards()
    create_disputes()
    create_money()
    create_upkeep()


def downgrade() -> None:
    """Drop every table but Alembic's own; indexes go with them."""
    tables = sa.inspect(op.get_bind()).get_sorted_table_and_fkc_names()
    for table, _ in reversed(tables):
        if table is not None and table != "alembic_version":
            op.drop_table(table)
