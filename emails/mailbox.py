"""One mailbox in a header: a display name and an address."""

from __future__ import annotations

from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final

_LINE: Final = 78
"""Characters of a header's line: https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1"""
_ENCODED_LINE: Final = 75


def set_mailbox(message: EmailMessage, field: str, name: str, address: str) -> None:
    """Write a header with exactly one mailbox, whatever its name contains.

    Python folds a long name without its quotes, so each comma in it begins another address. This function encodes a
    name that does not fit into one line: https://www.rfc-editor.org/rfc/rfc2047

    Args:
        name: the display name; its line breaks become spaces.
        address: ASCII only.
    """
    name = one_line(name)
    if len(f" <{address}>") > _LINE:
        # The address alone fills the line; with a name, Python would fold the header.
        message[field] = Address(addr_spec=address)
        return
    mailbox = Address(name, addr_spec=address)
    if name.isascii() and "=?" not in name and len(f"{field}: {mailbox}") <= _LINE:
        message[field] = mailbox
        return
    encoded = Header(name, "utf-8", maxlinelen=_ENCODED_LINE, header_name=field).encode(linesep="\r\n")
    message.set_raw(field, f"{encoded}\r\n <{address}>")


def one_line(text: str) -> str:
    """Replace line breaks by spaces: a line break would begin another header."""
    return " ".join(text.split())
