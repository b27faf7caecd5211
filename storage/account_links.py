"""Single-use links by which staff choose a password: invitations and password resets."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.identifiers import account_code, account_code_hash
from domain.roles import Role
from models import Hotel, Staff
from storage.account_tables import AccountLink, AccountLinkKind
from storage.catalogue import add_unless_there, staff_with_hotel
from storage.log_ins import change_credentials

INVITATION_LASTS: Final = timedelta(hours=48)
RESET_LASTS: Final = timedelta(hours=1)


async def add_invitation(
    db: AsyncSession,
    auth_secret: str,
    hotel_id: int,
    email: str,
    role: Role,
    now: datetime,
    *,
    invited_by: int | None = None,
) -> str | None:
    """Keep an invitation to a hotel's staff; an earlier one to the same address ends.

    Args:
        auth_secret: the link's code is derived from it.
        invited_by: the manager's account; None for an operator.

    Returns:
        The link's id; None if the address has an account.
    """
    if await staff_with_hotel(db, email):
        return None
    same = (col(AccountLink.email) == email, col(AccountLink.hotel_id) == hotel_id)
    await db.execute(delete(AccountLink).where(*same))
    link = _link(AccountLinkKind.INVITATION, auth_secret, email, now, INVITATION_LASTS)
    link.hotel_id, link.role, link.invited_by = hotel_id, role, invited_by
    db.add(link)
    return link.link_id


async def add_reset(db: AsyncSession, auth_secret: str, email: str, now: datetime) -> str:
    """Keep a password reset for an address, whether it has an account or not. Earlier ones end.

    Returns:
        The link's id.
    """
    same = (col(AccountLink.email) == email, col(AccountLink.kind) == AccountLinkKind.PASSWORD_RESET)
    await db.execute(delete(AccountLink).where(*same))
    link = _link(AccountLinkKind.PASSWORD_RESET, auth_secret, email, now, RESET_LASTS)
    db.add(link)
    return link.link_id


def _link(
    kind: AccountLinkKind, auth_secret: str, email: str, now: datetime, lasts: timedelta
) -> AccountLink:
    link_id = secrets.token_hex(16)
    code_hash = account_code_hash(account_code(auth_secret, link_id))
    return AccountLink(
        link_id=link_id, kind=kind, email=email, code_hash=code_hash, created_at=now, expires_at=now + lasts
    )


async def link_to_send(db: AsyncSession, link_id: str, now: datetime) -> tuple[AccountLink, Hotel] | None:
    """A link that has not been sent, with the hotel of its account.

    Returns:
        None if there is nothing to send: the link was sent, used, replaced or withdrawn, has expired, or belongs to no
        open account.
    """
    link = await db.get(AccountLink, link_id)
    if link is None or link.sent_at is not None or link.expires_at <= now:
        return None
    if link.hotel_id is not None:
        return link, await db.get_one(Hotel, link.hotel_id)
    found = await staff_with_hotel(db, link.email)
    return (link, found[1]) if found and found[0].active else None


async def mark_sent(db: AsyncSession, link_id: str, now: datetime) -> None:
    """Record that the mail server has accepted the link."""
    await db.execute(update(AccountLink).where(col(AccountLink.link_id) == link_id).values(sent_at=now))


async def link_of(db: AsyncSession, code: str, now: datetime) -> AccountLink | None:
    """The link with this code, unless it was used or has expired."""
    query = select(AccountLink).where(
        col(AccountLink.code_hash) == account_code_hash(code), col(AccountLink.expires_at) > now
    )
    return (await db.scalars(query)).one_or_none()


async def invitations_of(db: AsyncSession, hotel_id: int, now: datetime) -> Sequence[AccountLink]:
    """A hotel's invitations that nobody has accepted yet, by address."""
    query = select(AccountLink).where(
        col(AccountLink.hotel_id) == hotel_id, col(AccountLink.expires_at) > now
    )
    return (await db.scalars(query.order_by(col(AccountLink.email)))).all()


async def withdraw_invitation(db: AsyncSession, hotel_id: int, link_id: str) -> None:
    """Delete an invitation of that hotel."""
    which = (col(AccountLink.hotel_id) == hotel_id, col(AccountLink.link_id) == link_id)
    await db.execute(delete(AccountLink).where(*which))


async def withdraw_invitations_by(db: AsyncSession, staff_id: int) -> None:
    """Delete the invitations of someone who may no longer invite."""
    await db.execute(delete(AccountLink).where(col(AccountLink.invited_by) == staff_id))


async def use_link(db: AsyncSession, code: str, password_hash: str, now: datetime) -> bool:
    """Set the password for which a link was sent. The link works once; log-ins with an earlier password end.

    Returns:
        Whether the password was set. The link may have been used or have expired; an invited address may have an
        account already, and an account may have been closed.
    """
    taken = delete(AccountLink).where(
        col(AccountLink.code_hash) == account_code_hash(code), col(AccountLink.expires_at) > now
    )
    link = (await db.scalars(taken.returning(AccountLink))).one_or_none()
    if link is None:
        return False
    if link.hotel_id is not None and link.role is not None:
        row = Staff(hotel_id=link.hotel_id, email=link.email, role=link.role, password_hash=password_hash)
        return await add_unless_there(db, row)
    found = await staff_with_hotel(db, link.email)
    if found is None or found[0].id is None or not found[0].active:
        return False
    await change_credentials(db, found[0].id, password_hash=password_hash)
    return True
