"""The one-time codes with which payment pages return their guests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import PaymentSession

CODE_LIFETIME: Final = timedelta(hours=1)


async def use_return_code(db: AsyncSession, booking_id: str, code_hash: str, now: datetime) -> bool:
    """Consume a code.

    Returns:
        Whether the code opens the booking: it belongs to this booking, was not used before, and its session was
        opened within the last hour.
    """
    used = await db.execute(
        update(PaymentSession)
        .where(
            col(PaymentSession.booking_id) == booking_id,
            col(PaymentSession.return_code_hash) == code_hash,
            col(PaymentSession.return_code_used_at).is_(None),
            col(PaymentSession.created_at) > now - CODE_LIFETIME,
        )
        .values(return_code_used_at=now)
        .returning(col(PaymentSession.session_id))
    )
    return used.first() is not None
