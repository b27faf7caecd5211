"""Bookings, the rooms they claim, their history, and their payments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.schema.columns import INSTANT, optional, required
from migrations.schema.search import create_search


def create_bookings() -> None:
    """Create the tables, those first that others refer to."""
    _booking()
    create_search()
    _claims()
    _history()
    _payments()


def _booking() -> None:
    op.create_table(
        "booking",
        sa.Column("id", sa.BigInteger(), autoincrement=True, primary_key=True),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        *required(sa.Integer(), "hotel_id room_type_id"),
        *required(sa.Date(), "check_in check_out"),
        *required(sa.Integer(), "adults children"),
        *required(sa.String(length=100), "guest_first_name guest_last_name"),
        sa.Column("guest_email", sa.String(length=320), nullable=False),
        sa.Column("guest_phone", sa.String(length=40), nullable=True),
        sa.Column("special_requests", sa.String(length=2000), nullable=True),
        *required(
            sa.BigInteger(),
            "amount_minor amount_captured_minor amount_refunded_minor amount_paid_elsewhere_minor",
        ),
        sa.Column("refund_due_minor", sa.BigInteger(), nullable=True),
        sa.Column("paid_elsewhere", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("reason_note", sa.String(length=1000), nullable=True),
        sa.Column("needs_attention", sa.Boolean(), nullable=False),
        sa.Column("payment_provider", sa.String(length=20), nullable=True),
        *optional(sa.String(length=255), "payment_reference payment_intent_id"),
        sa.Column("decision_made_by", sa.String(length=320), nullable=True),
        *required(sa.Integer(), "version check_in_hour check_out_hour approval_sla_s payment_window_s"),
        *required(sa.Integer(), "free_cancel_days late_cancel_fee_percent risk_rank"),
        *required(INSTANT, "created_at updated_at cutoff_at"),
        *optional(
            INSTANT, "payment_deadline payment_authorized_at capture_before sold_out_at decision_deadline"
        ),
        *optional(INSTANT, "decision_made_at paid_at cancellation_counts_from guest_erased_at"),
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
    op.create_index("booking_arrivals", "booking", ["hotel_id", "check_in", "id"])
    op.create_index("booking_deadline", "booking", ["hotel_id", "decision_deadline", "id"])
    op.create_index("booking_decided", "booking", ["hotel_id", "decision_made_at"])
    op.create_index("booking_current", "booking", ["check_out", "status"])
    op.create_index("booking_draft", "booking", ["created_at"], postgresql_where="status = 'DRAFT'")
    op.create_index("booking_held", "booking", ["hotel_id", "payment_authorized_at"])
    op.create_index("booking_newest", "booking", ["hotel_id", "created_at", "id"])
    op.create_index("booking_newest_of_status", "booking", ["hotel_id", "status", "created_at", "id"])
    op.create_index(
        "booking_riskiest",
        "booking",
        ["hotel_id", "risk_rank", "id"],
        postgresql_where="status = 'PENDING_APPROVAL'",
    )
    op.create_index("booking_queue", "booking", ["hotel_id", "status", "decision_deadline", "id"])


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


def _history() -> None:
    op.create_table(
        "booking_timeline",
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
        sa.PrimaryKeyConstraint("booking_id", "version"),
    )
    op.create_table(
        "booking_attention",
        *required(sa.String(length=40), "booking_id code"),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
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
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.Column("refund_minor", sa.BigInteger(), nullable=True),
        sa.Column("status_when_issued", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
    )
    op.create_index("booking_command_booking", "booking_command", ["booking_id", "created_at"])
    op.create_table(
        "sent_mail",
        *required(sa.String(length=40), "booking_id kind"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        *required(sa.String(length=300), "message_id subject"),
        sa.Column("sending_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
        sa.PrimaryKeyConstraint("booking_id", "kind", "version", "recipient"),
    )
    op.create_index("sent_mail_message", "sent_mail", ["message_id"])
    op.create_index("sent_mail_unsent", "sent_mail", ["sending_at"], postgresql_where="sent_at is null")


def _payments() -> None:
    op.create_table(
        "payment_session",
        sa.Column("session_id", sa.String(length=255), primary_key=True),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("return_code_hash", sa.String(length=64), nullable=True),
        sa.Column("return_code_used_at", INSTANT, nullable=True),
        *required(INSTANT, "expires_at created_at"),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
    )
    op.create_index("ix_payment_session_booking_id", "payment_session", ["booking_id"])
    op.create_table(
        "return_addresses",
        sa.Column("id", sa.BigInteger(), autoincrement=True, primary_key=True),
        sa.Column("booking_id", sa.String(length=40), nullable=False),
        *optional(sa.String(length=2000), "success_url cancel_url"),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.booking_id"]),
    )
    op.create_index("ix_return_addresses_booking_id", "return_addresses", ["booking_id"])
    op.create_table(
        "stripe_webhook_event",
        sa.Column("event_id", sa.String(length=255), primary_key=True),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("booking_id", sa.String(length=40), nullable=True),
        *optional(sa.String(length=255), "session_id payment_intent_id"),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("processed_at", INSTANT, nullable=True),
        sa.Column("note", sa.String(length=200), nullable=True),
    )
    op.create_index("ix_stripe_webhook_event_booking_id", "stripe_webhook_event", ["booking_id"])
    op.create_index(
        "stripe_webhook_event_open",
        "stripe_webhook_event",
        ["received_at"],
        postgresql_where="processed_at is null",
    )
