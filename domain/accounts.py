"""Rules for staff accounts, for operators' commands and managers' forms alike."""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Final

from domain.errors import DomainError
from domain.roles import Role, may_manage

PASSWORD_SHORTEST: Final = 8
PASSWORD_LONGEST: Final = 200


class AccountRule(StrEnum):
    """A rule that a change of an account may break."""

    PASSWORD_LENGTH = "password_length"  # noqa: S105  a rule's name
    OWN_ACCOUNT = "own_account"


class AccountError(DomainError):
    """A change of an account that is not allowed; the text says why."""

    def __init__(self, rule: AccountRule, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def comparable_password(password: str) -> str:
    """A password in the form in which it is kept and compared: keyboards differ in how they send an é (RFC 8265)."""
    return unicodedata.normalize("NFC", password)


def check_password(password: str) -> str:
    """Return `password` as it is kept, if it is long enough to be one and no longer than can be kept.

    Raises:
        AccountError: too short, or too long.
    """
    password = comparable_password(password)
    if not PASSWORD_SHORTEST <= len(password) <= PASSWORD_LONGEST:
        raise AccountError(
            AccountRule.PASSWORD_LENGTH,
            f"a password has {PASSWORD_SHORTEST} to {PASSWORD_LONGEST} characters",
        )
    return password


def check_standing(*, own: bool, role: Role, active: bool) -> None:
    """Refuse a change by which managers would lock themselves out: a hotel always keeps one who made it.

    Args:
        own: whether the account belongs to the person who changes it.
        role, active: how the account shall stand afterwards.

    Raises:
        AccountError: one's own account would lose its role or its log-in.
    """
    if own and not (active and may_manage(role)):
        raise AccountError(
            AccountRule.OWN_ACCOUNT,
            "you cannot take your own role or log-in away; another manager can",
        )
