"""One mailbox in a header: a name as people write it, and its address."""

from __future__ import annotations

from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final

_LINE: Final = 78
"""Characters of a header's line: https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1"""
_ENCODED_LINE: Final = 75


def set_mailbox(message: EmailMessage, field: str, name: str, address: str) -> None:
    """Write a header that holds exactly one mailbox, whatever its name contains.

    Python folds a long name without its quotes, so that each comma in it begins another address. A name that does
    not fit into the line is encoded here, and written as it is: https://www.rfc-editor.org/rfc/rfc2047

    Args:
        name: what people read; line breaks in it become blanks.
        address: within ASCII.
    """
    name = one_line(name)
    if len(f" <{address}>") > _LINE:
        # This would have the whole header folded anew.
        message[field] = Address(addr_spec=address)
        return
    mailbox = Address(name, addr_spec=address)
    if name.isascii() and "=?" not in name and len(f"{field}: {mailbox}") <= _LINE:
        message[field] = mailbox
        return
    encoded = Header(name, "utf-8", maxlinelen=_ENCODED_LINE, header_name=field).encode(linesep="\r\n")
    message.set_raw(field, f"{encoded}\r\n <{address}>")


def one_line(text: str) -> str:
    """The same without line breaks: one would begin another header."""
    return " ".join(text.split())
