"""Hotels, their staff, and their rooms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.schema.columns import INSTANT, required


def create_hotels() -> None:
    """Create the tables, those first that others refer to."""
    _hotels()
    _rooms()


def _hotels() -> None:
    op.create_table(
        "hotel",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("slug", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        *required(
            sa.Integer(),
            "check_in_hour check_out_hour approval_sla_s payment_window_s cutoff_days_before "
            "cutoff_hour free_cancel_days late_cancel_fee_percent overbooking",
        ),
        *required(sa.Boolean(), "long_holds managers_need_second_factor"),
        sa.Column("contact_email", sa.String(length=320), nullable=True),
        sa.Column("contact_phone", sa.String(length=40), nullable=True),
        sa.Column("address", sa.String(length=500), nullable=True),
        sa.Column("directions", sa.String(length=1000), nullable=True),
        sa.Column("location", sa.String(length=30), nullable=True),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "room_type",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("hotel_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("price_per_night_minor", sa.BigInteger(), nullable=False),
        *required(sa.Integer(), "max_guests rooms"),
        sa.CheckConstraint("price_per_night_minor > 0"),
        sa.ForeignKeyConstraint(["hotel_id"], ["hotel.id"]),
        sa.UniqueConstraint("hotel_id", "code"),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("hotel_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("credentials_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["hotel_id"], ["hotel.id"]),
        sa.UniqueConstraint("email"),
    )
    op.create_index("ix_staff_hotel_id", "staff", ["hotel_id"])


def _rooms() -> None:
    op.create_table(
        "room_night",
        sa.Column("room_type_id", sa.Integer(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        *required(sa.Integer(), "capacity claimed blocked beyond"),
        sa.CheckConstraint("claimed + blocked <= capacity + beyond", name="room_night_within_capacity"),
        sa.CheckConstraint("claimed >= 0 and blocked >= 0 and beyond >= 0", name="room_night_counts"),
        sa.ForeignKeyConstraint(["room_type_id"], ["room_type.id"]),
        sa.PrimaryKeyConstraint("room_type_id", "night"),
    )
    op.create_table(
        "room_block",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("room_type_id", sa.Integer(), nullable=False),
        *required(sa.Date(), "first_night end_day"),
        sa.Column("rooms", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("rooms > 0"),
        sa.CheckConstraint("end_day > first_night"),
        sa.ForeignKeyConstraint(["room_type_id"], ["room_type.id"]),
        sa.UniqueConstraint("room_type_id", "first_night", "end_day"),
    )
