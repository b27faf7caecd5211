"""Rows of bookings by the thousand, written in SQL: every statement names the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

USUAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "adults": "2",
        "children": "0",
        "amount_captured_minor": "0",
        "amount_refunded_minor": "0",
        "amount_paid_elsewhere_minor": "0",
        "paid_elsewhere": "'{}'",
        "currency": "'EUR'",
        "timezone": "'Europe/Dublin'",
        "check_in_hour": "15",
        "check_out_hour": "11",
        "approval_sla_s": "86400",
        "payment_window_s": "86400",
        "cutoff_at": "now()",
        "free_cancel_days": "2",
        "late_cancel_fee_percent": "100",
        "needs_attention": "false",
        "risk_rank": "5",
        "created_at": "now()",
        "updated_at": "now()",
    }
)
"""SQL for the columns that no row may lack; a new one of the schema belongs here."""


def insert_bookings(values: Mapping[str, str], rows: str, *, before: str = "") -> str:
    """A statement that writes bookings.

    Args:
        values: SQL by column; columns without one have the `USUAL` value.
        rows: the FROM clause, without the word.
        before: common table expressions in front of the statement.
    """
    every = {**USUAL, **values}
    columns, expressions = ", ".join(every), ", ".join(every.values())
    return f"{before} INSERT INTO booking ({columns}) SELECT {expressions} FROM {rows}"  # noqa: S608  constants only
