"""Mailboxes: several addresses may deliver to one."""

from __future__ import annotations


def mailbox_of(address: str) -> str:
    """The mailbox of an e-mail address, for limits. Many providers deliver name+anything@ to name@."""
    name, _, domain = address.lower().rpartition("@")
    return f"{name.partition('+')[0]}@{domain}"
