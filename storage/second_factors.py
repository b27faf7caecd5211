"""Second factors of staff, and their recovery codes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from storage.account_tables import RecoveryCode, SecondFactor
from storage.log_ins import change_credentials


async def factor_of(db: AsyncSession, staff_id: int) -> SecondFactor | None:
    """The second factor of an account, if it has one."""
    return await db.get(SecondFactor, staff_id)


async def add_factor(db: AsyncSession, factor: SecondFactor, code_hashes: Sequence[str]) -> None:
    """Give an account a second factor, in place of an earlier one; its log-ins end.

    Args:
        code_hashes: of the recovery codes.
    """
    await db.execute(delete(SecondFactor).where(col(SecondFactor.staff_id) == factor.staff_id))
    db.add(factor)
    await replace_recovery_codes(db, factor.staff_id, code_hashes)
    await change_credentials(db, factor.staff_id)


async def remove_factor(db: AsyncSession, staff_id: int) -> bool:
    """Take the second factor and its recovery codes from an account; its log-ins end.

    Returns:
        Whether there was one.
    """
    await db.execute(delete(RecoveryCode).where(col(RecoveryCode.staff_id) == staff_id))
    removed = delete(SecondFactor).where(col(SecondFactor.staff_id) == staff_id)
    if await db.scalar(removed.returning(col(SecondFactor.staff_id))) is None:
        return False
    await change_credentials(db, staff_id)
    return True


async def use_step(db: AsyncSession, staff_id: int, step: int) -> bool:
    """Let the code of a time step count, unless it or a later one has counted before."""
    newer = (col(SecondFactor.staff_id) == staff_id, col(SecondFactor.last_step) < step)
    used = update(SecondFactor).where(*newer).values(last_step=step)
    return await db.scalar(used.returning(col(SecondFactor.staff_id))) is not None


async def use_recovery_code(db: AsyncSession, staff_id: int, code_hash: str) -> bool:
    """Use a recovery code up. Returns whether there was one with that hash."""
    which = (col(RecoveryCode.staff_id) == staff_id, col(RecoveryCode.code_hash) == code_hash)
    used = delete(RecoveryCode).where(*which).returning(col(RecoveryCode.staff_id))
    return await db.scalar(used) is not None


async def replace_recovery_codes(db: AsyncSession, staff_id: int, code_hashes: Sequence[str]) -> None:
    """Give an account other recovery codes; those of before end."""
    await db.execute(delete(RecoveryCode).where(col(RecoveryCode.staff_id) == staff_id))
    rows = [{"staff_id": staff_id, "code_hash": code_hash} for code_hash in code_hashes]
    await db.execute(insert(RecoveryCode), rows)


async def recovery_codes_left(db: AsyncSession, staff_id: int) -> int:
    """The number of an account's unused recovery codes."""
    query = select(func.count()).select_from(RecoveryCode).where(col(RecoveryCode.staff_id) == staff_id)
    return (await db.scalars(query)).one()
