"""Parses a message into the parts that people and tests read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from email.policy import compat32, default
from typing import Any


@dataclass(frozen=True)
class MessageAttachment:
    """An attachment of a message."""

    filename: str
    content_type: str
    content: bytes

    @property
    def text(self) -> str | None:
        """The content of a text attachment, such as a calendar file; None for other types."""
        return self.content.decode(errors="replace") if self.content_type.startswith("text/") else None


@dataclass(frozen=True)
class MessageContent:
    """A parsed message; a repeated header has all its values, one per line."""

    headers: dict[str, str]
    text: str | None
    html: str | None
    attachments: tuple[MessageAttachment, ...]


def read_headers(raw: bytes) -> dict[str, str]:
    """Decode the headers of a message; names stay as sent."""
    headers: dict[str, str] = {}
    # The older policy accepts any malformed header; every message must be kept.
    for name, value in BytesHeaderParser(policy=compat32).parsebytes(raw).items():
        decoded = _decoded(str(value))
        headers[name] = f"{headers[name]}\n{decoded}" if name in headers else decoded
    return headers


def sender_problem(raw: bytes) -> str | None:
    """The reason for which a mail server would refuse the From header; None if it is valid.

    A message has exactly one, with one mailbox: https://www.rfc-editor.org/rfc/rfc5322#section-3.6
    """
    message = BytesHeaderParser(policy=default).parsebytes(raw)
    found = message.get_all("from", [])
    if len(found) != 1:
        return f"a message has one From header, this one has {len(found)}"
    addresses: tuple[Any, ...] = getattr(found[0], "addresses", ())
    if len(addresses) != 1 or not (addresses[0].username and addresses[0].domain):
        return f"From must hold one mailbox, and holds {len(addresses)}"
    return None


def read_content(raw: bytes) -> MessageContent:
    """Parse a whole message."""
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    attachments = tuple(_attachment(part) for part in _leaves(message) if part not in (text, html))
    return MessageContent(
        headers=read_headers(raw),
        text=None if text is None else _text(text),
        html=None if html is None else _text(html),
        attachments=attachments,
    )


def _leaves(message: Message) -> Iterator[Message]:
    return (part for part in message.walk() if not part.is_multipart())


def _attachment(part: Message) -> MessageAttachment:
    return MessageAttachment(
        filename=part.get_filename() or "unnamed",
        content_type=part.get_content_type(),
        content=_bytes(part),
    )


def _text(part: Message) -> str:
    try:
        return _bytes(part).decode(part.get_content_charset("utf-8"), errors="replace")
    except LookupError:  # A charset that Python does not know.
        return _bytes(part).decode(errors="replace")


def _bytes(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _decoded(value: str) -> str:
    unfolded = " ".join(line.strip() for line in value.splitlines()).strip()
    try:
        return str(make_header(decode_header(unfolded)))
    except (ValueError, LookupError):
        return unfolded
