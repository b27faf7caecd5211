"""Limits on requests, and reconciliation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.schema.columns import INSTANT, required


def create_upkeep() -> None:
    """Create the tables, those first that others refer to."""
    _requests()
    _reconciliation()


def _requests() -> None:
    op.create_table(
        "idempotent_request",
        sa.Column("hotel_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("locked_until", INSTANT, nullable=True),
        sa.Column("response", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["hotel_id"], ["hotel.id"]),
        sa.PrimaryKeyConstraint("hotel_id", "key"),
    )
    op.create_index("idempotent_request_age", "idempotent_request", ["created_at"])
    op.create_index("ix_idempotent_request_booking_id", "idempotent_request", ["booking_id"])
    op.create_table(
        "rate_limit",
        sa.Column("subject", sa.String(length=400), nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "began_at"),
    )
    op.create_index("rate_limit_age", "rate_limit", ["began_at"])
    op.create_table(
        "daily_mail",
        sa.Column("mailbox_hash", sa.String(length=64), primary_key=True),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("sent_at", INSTANT, nullable=False),
    )
    op.create_index("daily_mail_age", "daily_mail", ["sent_at"])
    op.create_table(
        "periodic_job",
        sa.Column("job", sa.String(length=20), primary_key=True),
        sa.Column("completed_at", INSTANT, nullable=False),
    )


def _reconciliation() -> None:
    op.create_table(
        "reconciliation_run",
        sa.Column("run_id", sa.String(length=64), primary_key=True),
        sa.Column("started_by", sa.String(length=20), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        *required(sa.Integer(), "bookings payments open_pages events healed planned left_open"),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
    )
    op.create_index("reconciliation_run_newest", "reconciliation_run", ["started_at"])
    op.create_table(
        "reconciliation_finding",
        sa.Column("id", sa.BigInteger(), autoincrement=True, primary_key=True),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        *required(sa.String(length=40), "kind booking_id"),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("remedy", sa.String(length=40), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("found_at", INSTANT, nullable=False),
        sa.Column("reported", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["run_id"], ["reconciliation_run.run_id"], ondelete="CASCADE"),
        sa.UniqueConstraint("run_id", "kind", "booking_id", "subject"),
    )
    op.create_index("reconciliation_finding_booking", "reconciliation_finding", ["booking_id", "found_at"])
