"""Headers hold one address and a whole name, whatever people write."""

from __future__ import annotations

from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32, default
from email.utils import getaddresses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emails.mailbox import is_address, mailbox_header, one_line, text_header

LONG = "The Great Southern Killarney Hotel, Spa, Golf Resort and Conference Centre, County Kerry"
ADDRESS = "bookings@hotels.test"
NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], include_characters=' ,"<>@()\\'), min_size=1, max_size=200
)


def _raw(header: str) -> bytes:
    raw = header.encode("ascii")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert all(b" " <= bytes([byte]) <= b"~" for byte in raw.replace(b"\r\n", b""))
    return raw + b"\r\nAuto-Submitted: auto-generated\r\n\r\nHello"


@given(name=NAMES)
@example(name=LONG)
@example(name=LONG.replace(" ", ""))
@example(name='"O\'Neill", <Cork>' * 12)
@example(name="Óstán, na Trá, Lár, " * 10)
@example(name="=?utf-8?q?a=2C?=")
@example(name="Fish\r\nBcc: everybody@evil.test")
@example(name="Bell\x07 and null\x00")
def test_whatever_the_name(name: str) -> None:
    """A strict and a lax parser both read the sender as one mailbox with the whole name."""
    raw = _raw(mailbox_header("From", name, ADDRESS))
    strict = message_from_bytes(raw, policy=default)
    assert list(strict.keys()) == ["From", "Auto-Submitted"]
    [mailbox] = strict["From"].addresses
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
    raw = _raw(mailbox_header("Reply-To", LONG, address))
    assert [found.addr_spec for found in message_from_bytes(raw, policy=default)["Reply-To"].addresses] == [
        address
    ]


@pytest.mark.parametrize("address", ["", "hotel", "ä@hotels.test", "a@b.test\r\nBcc: c@d.test"])
def test_what_is_no_sender(address: str) -> None:
    """The sender is ASCII, for servers and readers of any age."""
    with pytest.raises(ValueError, match="not an address"):
        mailbox_header("From", "Hotel", address)


@given(text=NAMES)
@example(text="Payment authorized — awaiting hotel confirmation (BK-7Q2M9-XKD4T-ZRW3H)")
@example(text="=?utf-8?q?a=2C?=")
@example(text="One\r\nBcc: everybody@evil.test\r\n\r\nTwo")
@example(text="word " * 60)
def test_whatever_the_subject(text: str) -> None:
    """A reader shows all of it, in one header."""
    message = message_from_bytes(_raw(text_header("Subject", text)), policy=compat32)
    assert list(message.keys()) == ["Subject", "Auto-Submitted"]
    unfolded = " ".join(line.strip() for line in str(message["Subject"]).splitlines())
    assert str(make_header(decode_header(unfolded))) == one_line(text)


@given(
    address=st.builds(
        "{}@{}".format,
        st.text(st.sampled_from("ab.é\"\\ ,;:<>()[]@\r\n\t\x00\x85\u2028+-'"), max_size=8),
        st.text(st.sampled_from("ab.é[]<> ,@\r\n-"), max_size=8),
    )
)
@example(address='"a b"@hotels.test')
@example(address="a.b+c@[127.0.0.1]")
@example(address="a@b@c.test")
@example(address="philippä@bücher.example")
def test_what_passes_for_an_address_is_one(address: str) -> None:
    """No parser reads it as two, or as another header."""
    if not is_address(address):
        return
    raw = f"To: {address}\r\nX-Next: 1\r\n\r\n".encode()
    assert list(message_from_bytes(raw, policy=compat32).keys()) == ["To", "X-Next"]
    assert len(getaddresses([address])) == 1
    if address.isascii():
        [mailbox] = message_from_bytes(raw, policy=default)["To"].addresses
        assert mailbox.addr_spec.replace('"', "") == address.replace('"', "")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "philippa.quarshie@example.com",
            "a+b@example.com",
            "o'neill@example.co.uk",
            "a@b",
            "ä@bücher.example",
        ),
        *('"a b"@example.com', "x@[127.0.0.1]", "UPPER_lower-1@sub.example.com"),
    ],
)
def test_usual_addresses_pass(address: str) -> None:
    """And the rare ones that are valid, too."""
    assert is_address(address)
