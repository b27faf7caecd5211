"""Mails come from one address for any hotel name."""

from __future__ import annotations

from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, default
from email.utils import getaddresses

import pytest
from aiosmtplib.email import flatten_message
from hypothesis import example, given
from hypothesis import strategies as st

from emails.mailbox import one_line, set_mailbox

LONG = "The Great Southern Killarney Hotel, Spa, Golf Resort and Conference Centre, County Kerry"
ADDRESS = "bookings@hotels.test"
NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], include_characters=' ,"<>@()\\'), min_size=1, max_size=200
)


@given(name=NAMES, utf8=st.booleans())
@example(name=LONG, utf8=False)
@example(name=LONG.replace(" ", ""), utf8=True)
@example(name='"O\'Neill", <Cork>' * 12, utf8=False)
@example(name="Óstán, na Trá, Lár, " * 10, utf8=False)
@example(name="=?utf-8?q?a=2C?=", utf8=False)
def test_whatever_the_name(name: str, utf8: bool) -> None:
    """A strict and a lax parser both read the sender as one mailbox with the whole name."""
    message = EmailMessage()
    set_mailbox(message, "From", name, ADDRESS)
    message.set_content("Hello")
    raw = flatten_message(message, utf8=utf8)
    [mailbox] = message_from_bytes(raw, policy=default)["From"].addresses
    assert mailbox.addr_spec == ADDRESS
    sent = str(message_from_bytes(raw, policy=compat32)["From"])
    [(_, address)] = getaddresses([sent])
    assert address == ADDRESS
    # Python's newer parser leaves the blanks between two encoded words, which RFC 2047 drops.
    phrase = sent.rpartition("<")[0].strip()
    shown = str(make_header(decode_header(phrase))) if phrase.startswith("=?") else mailbox.display_name
    assert shown == one_line(name)


@pytest.mark.parametrize("length", [50, 64])
def test_a_long_address(length: int) -> None:
    """The address matters more than the name."""
    address = f"{'a' * length}@{'b' * 50}.test"
    message = EmailMessage()
    set_mailbox(message, "Reply-To", LONG, address)
    raw = flatten_message(message)
    assert [found.addr_spec for found in message_from_bytes(raw, policy=default)["Reply-To"].addresses] == [
        address
    ]
