"""Headers that people's names and addresses stand in. None of them is parsed: they are checked and written."""

from __future__ import annotations

import re
from email.header import Header
from email.utils import formataddr
from functools import lru_cache
from typing import Final

_LINE: Final = 78
"""Characters of a header's line: https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1"""
_ENCODED_LINE: Final = 75

_ATOM: Final = r"[^\x00-\x20\x7f-\xa0\s()<>@,:;\\\".\[\]]+"
_DOTTED: Final = rf"{_ATOM}(?:\.{_ATOM})*"
_ADDRESS: Final = re.compile(
    rf'(?:{_DOTTED}|"(?:[ !#-\[\]-~]|\\[ -~])*")@(?:{_DOTTED}|\[[!-Z^-~]+\])'
    # https://www.rfc-editor.org/rfc/rfc5322#section-3.4.1, with letters beyond ASCII as RFC 6531 allows them
)


def is_address(text: str) -> bool:
    """Whether a text is one address, and so can stand in a header."""
    return _ADDRESS.fullmatch(text) is not None


def one_line(text: str) -> str:
    """Replace line breaks by spaces: a line break would begin another header."""
    return " ".join(text.split())


def text_header(field: str, text: str) -> str:
    """Write a header of free text; its line breaks become spaces."""
    text = one_line(text)
    line = f"{field}: {text}"
    return line if _is_plain(text) and len(line) <= _LINE else f"{field}: {_encoded(field, text)}"


@lru_cache(maxsize=1000)  # A hotel's name stands in all its mails.
def mailbox_header(field: str, name: str, address: str) -> str:
    """Write a header with exactly one mailbox, whatever its name contains.

    A long name would have to be folded between its quotes, which some readers split at each comma. This function
    encodes a name that does not fit into one line: https://www.rfc-editor.org/rfc/rfc2047

    Args:
        name: the display name; its line breaks become spaces.
        address: ASCII only.

    Raises:
        ValueError: the address is none, or not ASCII.
    """
    if not (address.isascii() and is_address(address)):
        raise ValueError("not an address for this header")
    name = one_line(name)
    if len(f" <{address}>") > _LINE:
        # The address alone fills the line.
        return f"{field}: {address}"
    if _is_plain(name):
        line = f"{field}: {formataddr((name, address))}"
        if len(line) <= _LINE:
            return line
    return f"{field}: {_encoded(field, name)}\r\n <{address}>"


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and "=?" not in text


def _encoded(field: str, text: str) -> str:
    return Header(text, "utf-8", maxlinelen=_ENCODED_LINE, header_name=field).encode(linesep="\r\n")
