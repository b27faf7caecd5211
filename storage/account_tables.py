"""Tables of staff accounts: log-ins, links sent by e-mail, second factors and recovery codes.

The accounts themselves are in `models.py`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer
from sqlmodel import Field, SQLModel

from models import instant_column, utc_now


class StaffLogIn(SQLModel, table=True):
    """One log-in. Its token or cookie is valid as long as the row is there and has not expired."""

    __tablename__ = "staff_log_in"
    __table_args__ = (Index("staff_log_in_age", "expires_at"),)

    log_in_id: str = Field(primary_key=True, max_length=40)
    staff_id: int = Field(foreign_key="staff.id", index=True)
    begun_at: datetime = Field(sa_column=instant_column())
    expires_at: datetime = Field(sa_column=instant_column())
    address: str = Field(max_length=45)


class AccountLinkKind(StrEnum):
    """What a link sent by e-mail lets its holder do."""

    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"  # noqa: S105  a kind of link


class AccountLink(SQLModel, table=True):
    """A single-use link to choose a password. The code in it is derived; only its hash is kept.

    `hotel_id`, `role` and `invited_by`, a manager, belong to an invitation; an operator's has no manager. A password
    reset has a row for any address that was entered, so that nobody learns which ones have an account.
    """

    __tablename__ = "account_link"
    __table_args__ = (Index("account_link_email", "email"), Index("account_link_age", "expires_at"))

    link_id: str = Field(primary_key=True, max_length=40)
    kind: str = Field(max_length=20)
    email: str = Field(max_length=320)
    hotel_id: int | None = Field(default=None, foreign_key="hotel.id", index=True)
    role: str | None = Field(default=None, max_length=20)
    invited_by: int | None = Field(default=None, foreign_key="staff.id")
    code_hash: str = Field(unique=True, max_length=64)
    created_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())
    expires_at: datetime = Field(sa_column=instant_column())
    sent_at: datetime | None = Field(default=None, sa_column=instant_column(nullable=True))


class SecondFactor(SQLModel, table=True):
    """The secret of a member of staff's authenticator app (RFC 6238), encrypted.

    `last_step` is the time step of the newest accepted code: no code counts twice.
    """

    __tablename__ = "second_factor"

    staff_id: int = Field(
        sa_column=Column(Integer, ForeignKey("staff.id"), primary_key=True, autoincrement=False)
    )
    encrypted_secret: str = Field(max_length=400)
    last_step: int = Field(sa_type=BigInteger)
    set_up_at: datetime = Field(default_factory=utc_now, sa_column=instant_column())


class RecoveryCode(SQLModel, table=True):
    """An unused recovery code, as a keyed hash. A used one is deleted."""

    __tablename__ = "recovery_code"

    staff_id: int = Field(foreign_key="staff.id", primary_key=True)
    code_hash: str = Field(primary_key=True, max_length=64)
