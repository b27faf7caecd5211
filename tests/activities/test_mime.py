"""An e-mail's bytes, as a mail program parses them."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emails.mime import Mail, alternatives, with_file

TO = "philippa.quarshie@example.com"
FILE = b"BEGIN:VCALENDAR\r\n" + "SUMMARY:Stay at Óstán\r\n".encode() * 20
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def _mail(text: str, html: str) -> Mail:
    body = with_file(alternatives(text, html), 'text/calendar; charset="utf-8"', "stay.ics", FILE)
    return Mail(
        "BK-1.confirmed.4", "hotels.test", "Hello", text, ("From: a@hotels.test", "Subject: Hello"), body
    )


def _parsed(mail: Mail, recipient: str = TO) -> EmailMessage:
    raw = mail.addressed_to(recipient, mail.message_id(recipient))
    lines = raw.split(b"\r\n")
    assert b"\r" not in b"".join(lines)
    assert b"\n" not in b"".join(lines)
    assert max(len(line) for line in lines) <= 998
    message = message_from_bytes(raw, policy=default)
    assert [part.defects for part in message.walk() if part.defects] == []
    return message


def _lines(text: str) -> list[str]:
    return [line.decode() for line in text.encode().splitlines()]


@given(text=TEXTS, html=TEXTS)
@example(text="", html="")
@example(text=".\r\n..\r\nQUIT\r\n", html="--=_alternative--\n--=_mixed")
@example(text="trailing blank \nand tab\t\n", html="=" * 200)
@example(text="€ é 日本語 \x0b\x00\x85\u2028", html="From here\nFrom there")
@example(text="a\rb\r\nc\nd", html="é" * 400)
def test_whatever_is_written_is_read(text: str, html: str) -> None:
    """Text, HTML and file come out as they went in; line breaks are a mail's own."""
    message = _parsed(_mail(text, html))
    assert list(message.keys()) == ["To", "Message-ID", "From", "Subject", "MIME-Version", "Content-Type"]
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html", "text/calendar"]
    for part, written in zip(parts, (text, html), strict=False):
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        assert _lines(content.decode()) == _lines(written)
    [attached] = message.iter_attachments()
    assert (attached.get_filename(), attached.get_payload(decode=True)) == ("stay.ics", FILE)


def test_recipients_differ_in_two_headers() -> None:
    """All else is written once, for all."""
    mail = _mail("Hello", "<p>Hello</p>")
    others = ("a@example.com", "b@example.com")
    first, second = (mail.addressed_to(to, mail.message_id(to)).split(b"\r\n") for to in others)
    different = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    assert [line[0].partition(b":")[0] for line in different] == [b"To", b"Message-ID"]


def test_an_address_beyond_ascii() -> None:
    """It stands in its header as it is: RFC 6531."""
    raw = _mail("Hello", "Hello").addressed_to("philippä@bücher.example", "<1@hotels.test>")
    assert raw.startswith("To: philippä@bücher.example\r\n".encode())


@pytest.mark.parametrize("recipient", ["", "ä", "a@b.test\r\nBcc: c@d.test", "a@b.test, c@d.test"])
def test_what_is_no_recipient(recipient: str) -> None:
    """Nothing is written to more than one address."""
    with pytest.raises(ValueError, match="not an address"):
        _mail("Hello", "Hello").addressed_to(recipient, "<1@hotels.test>")
