"""The direct design's tables, in a separate schema."""

from __future__ import annotations

from typing import Final

STATEMENTS: Final = (
    "CREATE SCHEMA IF NOT EXISTS direct",
    """CREATE TABLE IF NOT EXISTS direct.booking (
        booking_id text PRIMARY KEY, hotel text NOT NULL, status text NOT NULL, amount_minor bigint NOT NULL,
        currency text NOT NULL, guest_email text NOT NULL, access_token text NOT NULL, payment_reference text,
        payment_intent_id text UNIQUE, payment_authorized_at timestamptz, paid_at timestamptz,
        decision_made_at timestamptz, created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now())""",
    """CREATE TABLE IF NOT EXISTS direct.webhook_event (
        event_id text PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now())""",
)

INSERT: Final = """INSERT INTO direct.booking
    (booking_id, hotel, status, amount_minor, currency, guest_email, access_token)
    VALUES (:booking_id, :hotel, 'PENDING_PAYMENT', :amount_minor, 'EUR', :guest_email, :access_token)"""
LOCK: Final = "SELECT * FROM direct.booking WHERE booking_id = :booking_id FOR UPDATE"
READ: Final = "SELECT * FROM direct.booking WHERE booking_id = :booking_id"
SEEN: Final = "INSERT INTO direct.webhook_event (event_id) VALUES (:event_id) ON CONFLICT DO NOTHING"
SESSION: Final = "UPDATE direct.booking SET payment_reference = :session_id WHERE booking_id = :booking_id"
AUTHORIZED: Final = """UPDATE direct.booking SET status = 'PENDING_APPROVAL', payment_intent_id = :intent_id,
    payment_reference = :intent_id, payment_authorized_at = now(), updated_at = now()
    WHERE booking_id = :booking_id"""
CONFIRMED: Final = """UPDATE direct.booking SET status = 'CONFIRMED', decision_made_at = now(), paid_at = now(),
    updated_at = now() WHERE booking_id = :booking_id"""
