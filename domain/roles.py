"""The permissions of a hotel's staff. Each role includes those of the one before it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A staff member's role at their hotel."""

    VIEWER = "viewer"
    APPROVER = "approver"
    MANAGER = "manager"


DECIDING_ROLES = frozenset({Role.APPROVER, Role.MANAGER})


def may_decide(role: Role) -> bool:
    """Whether the role may approve and decline."""
    return role in DECIDING_ROLES


def may_manage(role: Role) -> bool:
    """Whether the role may cancel confirmed bookings and configure the hotel."""
    return role is Role.MANAGER
