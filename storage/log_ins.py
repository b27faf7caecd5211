"""Log-ins of staff: one row each, until it expires or is ended."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import Hotel, Staff
from storage.account_tables import AccountLink, AccountLinkKind, SecondFactor, StaffLogIn

LOG_IN_S: Final = 28800
"""The length of a log-in, in seconds."""


_LOGGED_IN: Final = (
    select(Staff, Hotel, col(SecondFactor.staff_id).is_not(None))
    .join(Hotel, col(Hotel.id) == col(Staff.hotel_id))
    .join(StaffLogIn, col(StaffLogIn.staff_id) == col(Staff.id))
    .outerjoin(SecondFactor, col(SecondFactor.staff_id) == col(Staff.id))
    .where(
        col(Staff.id) == bindparam("staff_id"),
        col(StaffLogIn.log_in_id) == bindparam("log_in_id"),
        col(Staff.active),
    )
)


async def begin_log_in(db: AsyncSession, staff_id: int, address: str, now: datetime) -> str:
    """Record a log-in.

    Args:
        address: the IP address it comes from.

    Returns:
        The log-in's id, for its token.
    """
    log_in_id = secrets.token_hex(16)
    expires_at = now + timedelta(seconds=LOG_IN_S)
    db.add(
        StaffLogIn(
            log_in_id=log_in_id, staff_id=staff_id, begun_at=now, expires_at=expires_at, address=address
        )
    )
    await db.flush()
    return log_in_id


async def logged_in_staff(
    db: AsyncSession, staff_id: int, log_in_id: str
) -> tuple[Staff, Hotel, bool] | None:
    """Find the holder of a log-in, the hotel they work for, and whether they have a second factor.

    Returns:
        None if the log-in has ended, or the account is closed.
    """
    ids = {"staff_id": staff_id, "log_in_id": log_in_id}
    found = (await db.execute(_LOGGED_IN, ids)).one_or_none()
    return (found[0], found[1], found[2]) if found else None


async def log_ins_of(db: AsyncSession, staff_id: int, now: datetime) -> Sequence[StaffLogIn]:
    """The log-ins of an account that have not expired, newest first."""
    query = select(StaffLogIn).where(col(StaffLogIn.staff_id) == staff_id, col(StaffLogIn.expires_at) > now)
    return (await db.scalars(query.order_by(col(StaffLogIn.begun_at).desc()))).all()


async def end_log_in(db: AsyncSession, staff_id: int, log_in_id: str) -> bool:
    """End one log-in of an account. Returns whether there was one."""
    ended = delete(StaffLogIn).where(
        col(StaffLogIn.staff_id) == staff_id, col(StaffLogIn.log_in_id) == log_in_id
    )
    return (await db.scalar(ended.returning(col(StaffLogIn.log_in_id)))) is not None


async def end_other_log_ins(db: AsyncSession, staff_id: int, log_in_id: str) -> None:
    """End every log-in of an account but this one."""
    others = (col(StaffLogIn.staff_id) == staff_id, col(StaffLogIn.log_in_id) != log_in_id)
    await db.execute(delete(StaffLogIn).where(*others))


async def change_credentials(db: AsyncSession, staff_id: int, **changes: Any) -> None:
    """End every log-in and password reset of an account, and set columns of its row at the same time."""
    version = col(Staff.credentials_version)
    statement = update(Staff).where(col(Staff.id) == staff_id)
    await db.execute(statement.values(credentials_version=version + 1, **changes))
    await db.execute(delete(StaffLogIn).where(col(StaffLogIn.staff_id) == staff_id))
    own_address = select(col(Staff.email)).where(col(Staff.id) == staff_id).scalar_subquery()
    resets = (col(AccountLink.email) == own_address, col(AccountLink.kind) == AccountLinkKind.PASSWORD_RESET)
    await db.execute(delete(AccountLink).where(*resets))
