"""Log-ins of staff, links sent to them by e-mail, and second factors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.schema.columns import INSTANT, optional, required


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
    op.create_table(
        "account_link",
        sa.Column("link_id", sa.String(length=40), primary_key=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("hotel_id", sa.Integer(), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=True),
        sa.Column("invited_by", sa.Integer(), nullable=True),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        *required(INSTANT, "created_at expires_at"),
        *optional(INSTANT, "sent_at"),
        sa.ForeignKeyConstraint(["hotel_id"], ["hotel.id"]),
        sa.ForeignKeyConstraint(["invited_by"], ["staff.id"]),
        sa.UniqueConstraint("code_hash"),
    )
    op.create_index("ix_account_link_hotel_id", "account_link", ["hotel_id"])
    op.create_index("account_link_email", "account_link", ["email"])
    op.create_index("account_link_age", "account_link", ["expires_at"])
    op.create_table(
        "second_factor",
        sa.Column("staff_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("encrypted_secret", sa.String(length=400), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        *required(INSTANT, "set_up_at"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"]),
    )
    op.create_table(
        "recovery_code",
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"]),
        sa.PrimaryKeyConstraint("staff_id", "code_hash"),
    )
