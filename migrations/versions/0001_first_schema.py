"""The first schema: hotels, bookings, their history, payments, limits on requests, and reconciliation.

Until version 1.0 a change of the schema edits this migration.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def _required(kind: sa.types.TypeEngine[Any], names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names.split()]


def _optional(kind: sa.types.TypeEngine[Any], names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=True) for name in names.split()]


def upgrade() -> None:
    """Create every table, those first that others refer to."""
    _hotels()
    _rooms()
    _booking()
    _claims()
    _history()
    _payments()
    _requests()
    _reconciliation()


def downgrade() -> None:
    """Drop every table but Alembic's own; indexes go with them."""
    tables = sa.inspect(op.get_bind()).get_sorted_table_and_fkc_names()
    for table, _ in reversed(tables):
        if table is not None and table != "alembic_version":
            op.drop_table(table)


def _hotels() -> None:
    op.create_table(
        "hotel",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("slug", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        *_required(
            sa.Integer(),
            "check_in_hour check_out_hour approval_sla_s payment_window_s cutoff_days_before "
            "cutoff_hour free_cancel_days late_cancel_fee_percent overbooking",
        ),
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
        *_required(sa.Integer(), "max_guests rooms"),
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
        *_required(sa.Integer(), "capacity claimed blocked beyond"),
        sa.CheckConstraint("claimed + blocked <= capacity + beyond", name="room_night_within_capacity"),
        sa.CheckConstraint("claimed >= 0 and blocked >= 0 and beyond >= 0", name="room_night_counts"),
        sa.ForeignKeyConstraint(["room_type_id"], ["room_type.id"]),
        sa.PrimaryKeyConstraint("room_type_id", "night"),
    )
    op.create_table(
        "room_block",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("room_type_id", sa.Integer(), nullable=False),
        *_required(sa.Date(), "first_night end_day"),
        sa.Column("rooms", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.CheckConstraint("rooms > 0"),
        sa.CheckConstraint("end_day > first_night"),
        sa.ForeignKeyConstraint(["room_type_id"], ["room_type.id"]),
        sa.UniqueConstraint("room_type_id", "first_night", "end_day"),
    )


def _claims() -> None:
    op.create_table(
        "room_claim",
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("room_type_id", sa.Integer(), nullable=False),
        sa.Column("is_beyond", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
        sa.ForeignKeyConstraint(
            ["room_type_id", "night"],
            ["room_night.room_type_id", "room_night.night"],
            name="room_claim_night",
        ),
        sa.PrimaryKeyConstraint("booking_id", "night"),
    )
    op.create_index("room_claim_night", "room_claim", ["room_type_id", "night"])


def _booking() -> None:
    op.create_table(
        "booking",
        sa.Column("id", sa.BigInteger(), autoincrement=True, primary_key=True),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        *_required(sa.Integer(), "hotel_id room_type_id"),
        *_required(sa.Date(), "check_in check_out"),
        *_required(sa.Integer(), "adults children"),
        *_required(sa.String(length=100), "guest_first_name guest_last_name"),
        sa.Column("guest_email", sa.String(length=320), nullable=False),
        sa.Column("guest_phone", sa.String(length=40), nullable=True),
        sa.Column("special_requests", sa.String(length=2000), nullable=True),
        *_required(
            sa.BigInteger(),
            "amount_minor amount_captured_minor amount_refunded_minor amount_paid_elsewhere_minor",
        ),
        sa.Column("refund_due_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("reason_note", sa.String(length=1000), nullable=True),
        sa.Column("needs_attention", sa.Boolean(), nullable=False),
        sa.Column("payment_provider", sa.String(length=20), nullable=True),
        *_optional(sa.String(length=255), "payment_reference payment_intent_id"),
        sa.Column("decision_made_by", sa.String(length=320), nullable=True),
        *_required(sa.Integer(), "version check_in_hour check_out_hour approval_sla_s payment_window_s"),
        *_required(sa.Integer(), "free_cancel_days late_cancel_fee_percent"),
        *_required(_INSTANT, "created_at updated_at cutoff_at"),
        *_optional(_INSTANT, "payment_deadline payment_authorized_at sold_out_at decision_deadline"),
        *_optional(_INSTANT, "decision_made_at paid_at cancellation_counts_from guest_erased_at"),
        sa.CheckConstraint("amount_captured_minor between 0 and amount_minor"),
        sa.CheckConstraint("amount_minor > 0"),
        sa.CheckConstraint("amount_refunded_minor between 0 and amount_captured_minor"),
        sa.CheckConstraint("amount_paid_elsewhere_minor >= 0"),
        sa.CheckConstraint("check_out > check_in"),
        sa.ForeignKeyConstraint(["hotel_id"], ["hotel.id"]),
        sa.ForeignKeyConstraint(["room_type_id"], ["room_type.id"]),
        sa.UniqueConstraint("booking_id"),
        sa.UniqueConstraint("payment_intent_id"),
    )
    op.create_index(
        "booking_needing_attention",
        "booking",
        ["hotel_id", "updated_at", "id"],
        postgresql_where="needs_attention",
    )
    op.create_index("booking_deadline", "booking", ["hotel_id", "decision_deadline", "id"])
    op.create_index("booking_decided", "booking", ["hotel_id", "decision_made_at"])
    op.create_index("booking_current", "booking", ["check_out", "status"])
    op.create_index("booking_draft", "booking", ["created_at"], postgresql_where="status = 'DRAFT'")
    op.create_index("booking_held", "booking", ["hotel_id", "payment_authorized_at"])
    op.create_index("booking_newest", "booking", ["hotel_id", "created_at", "id"])
    op.create_index("booking_newest_of_status", "booking", ["hotel_id", "status", "created_at", "id"])
    op.create_index("booking_queue", "booking", ["hotel_id", "status", "decision_deadline", "id"])


def _history() -> None:
    op.create_table(
        "booking_timeline",
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
        sa.PrimaryKeyConstraint("booking_id", "version"),
    )
    op.create_table(
        "booking_attention",
        *_required(sa.String(length=40), "booking_id code"),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("since", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
        sa.PrimaryKeyConstraint("booking_id", "code", "subject"),
    )
    op.create_table(
        "booking_command",
        sa.Column("command_id", sa.String(length=40), primary_key=True),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("reason_note", sa.String(length=1000), nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("closed_at", _INSTANT, nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.Column("refund_minor", sa.BigInteger(), nullable=True),
        sa.Column("status_when_issued", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
    )
    op.create_index("booking_command_booking", "booking_command", ["booking_id", "created_at"])
    op.create_table(
        "sent_mail",
        sa.Column("message_id", sa.String(length=300), primary_key=True),
        *_required(sa.String(length=40), "booking_id kind"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("sending_at", _INSTANT, nullable=False),
        sa.Column("sent_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
        sa.UniqueConstraint("booking_id", "kind", "version", "recipient"),
    )
    op.create_index("sent_mail_unsent", "sent_mail", ["sending_at"], postgresql_where="sent_at is null")


def _payments() -> None:
    op.create_table(
        "payment_session",
        sa.Column("session_id", sa.String(length=255), primary_key=True),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("return_code_hash", sa.String(length=64), nullable=True),
        sa.Column("return_code_used_at", _INSTANT, nullable=True),
        *_required(_INSTANT, "expires_at created_at"),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
    )
    op.create_index("ix_payment_session_booking_id", "payment_session", ["booking_id"])
    op.create_table(
        "return_addresses",
        sa.Column("id", sa.BigInteger(), autoincrement=True, primary_key=True),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        *_optional(sa.String(length=2000), "success_url cancel_url"),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
    )
    op.create_index("ix_return_addresses_booking_id", "return_addresses", ["booking_id"])
    op.create_table(
        "stripe_webhook_event",
        sa.Column("event_id", sa.String(length=255), primary_key=True),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("booking_id", sa.String(length=40), nullable=True),
        *_optional(sa.String(length=255), "session_id payment_intent_id"),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.Column("processed_at", _INSTANT, nullable=True),
        sa.Column("note", sa.String(length=200), nullable=True),
    )
    op.create_index("ix_stripe_webhook_event_booking_id", "stripe_webhook_event", ["booking_id"])
    op.create_index(
        "stripe_webhook_event_open",
        "stripe_webhook_event",
        ["received_at"],
        postgresql_where="processed_at is null",
    )


def _requests() -> None:
    op.create_table(
        "idempotent_request",
        sa.Column("hotel_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("locked_until", _INSTANT, nullable=True),
        sa.Column("response", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["hotel_id"], ["hotel.id"]),
        sa.PrimaryKeyConstraint("hotel_id", "key"),
    )
    op.create_index("idempotent_request_age", "idempotent_request", ["created_at"])
    op.create_index("ix_idempotent_request_booking_id", "idempotent_request", ["booking_id"])
    op.create_table(
        "rate_limit",
        sa.Column("subject", sa.String(length=400), nullable=False),
        sa.Column("began_at", _INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "began_at"),
    )
    op.create_index("rate_limit_age", "rate_limit", ["began_at"])
    op.create_table(
        "periodic_job",
        sa.Column("job", sa.String(length=20), primary_key=True),
        sa.Column("completed_at", _INSTANT, nullable=False),
    )


def _reconciliation() -> None:
    op.create_table(
        "reconciliation_run",
        sa.Column("run_id", sa.String(length=64), primary_key=True),
        sa.Column("started_by", sa.String(length=20), nullable=False),
        sa.Column("started_at", _INSTANT, nullable=False),
        sa.Column("finished_at", _INSTANT, nullable=True),
        sa.Column("since", _INSTANT, nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        *_required(sa.Integer(), "bookings payments open_pages events healed planned left_open"),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
    )
    op.create_index("reconciliation_run_newest", "reconciliation_run", ["started_at"])
    op.create_table(
        "reconciliation_finding",
        sa.Column("id", sa.BigInteger(), autoincrement=True, primary_key=True),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        *_required(sa.String(length=40), "kind booking_id"),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("remedy", sa.String(length=40), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("found_at", _INSTANT, nullable=False),
        sa.Column("reported", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["run_id"], ["reconciliation_run.run_id"], ondelete="CASCADE"),
        sa.UniqueConstraint("run_id", "kind", "booking_id", "subject"),
    )
    op.create_index("reconciliation_finding_booking", "reconciliation_finding", ["booking_id", "found_at"])
