"""Writes e-mails as bytes. The standard library's builder parses each header it is given: half of a mail's CPU."""

from __future__ import annotations

import hashlib
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass

from emails.mailbox import is_address


@dataclass(frozen=True)
class Mail:
    """An e-mail before it is addressed. All its recipients get the same bytes, but for To and Message-ID.

    Args:
        name: what the mail is about; unique among the sender's mails.
        domain: of the sender's address.
        subject: as people read it.
        text: the plain text.
        headers: the other headers, one or several lines each.
        body: as `alternatives` and `with_file` write it.
    """

    name: str
    domain: str
    subject: str
    text: str
    headers: Sequence[str]
    body: bytes

    def message_id(self, recipient: str) -> str:
        """The Message-ID; each repeat has the same one, so a mailbox can recognise it."""
        digest = hashlib.sha256(recipient.encode()).hexdigest()[:12]
        return f"<{self.name}.{digest}@{self.domain}>"

    def addressed_to(self, recipient: str, message_id: str) -> bytes:
        """The whole e-mail to one recipient. Only an address beyond ASCII makes it need SMTPUTF8.

        Raises:
            ValueError: the recipient's address cannot stand in a header.
        """
        if not is_address(recipient):
            raise ValueError("not an address")
        head = (f"To: {recipient}", f"Message-ID: {message_id}", *self.headers, "MIME-Version: 1.0", "")
        return "\r\n".join(head).encode() + self.body


def alternatives(text: str, html: str) -> bytes:
    """A part whose reader shows the text or the HTML."""
    return _multipart("alternative", (_text_part("plain", text), _text_part("html", html)))


def with_file(body: bytes, content_type: str, filename: str, content: bytes) -> bytes:
    """A part with a file attached.

    Args:
        body: the other part.
        content_type: of the file, with its parameters.
        filename: ASCII, without quotes.
    """
    head = (
        f"Content-Type: {content_type}",
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment; filename="{filename}"',
    )
    return _multipart("mixed", (body, _part(head, encodebytes(content).replace(b"\n", b"\r\n"))))


def _text_part(subtype: str, text: str) -> bytes:
    head = (f'Content-Type: text/{subtype}; charset="utf-8"', "Content-Transfer-Encoding: quoted-printable")
    lines = (*text.encode().splitlines(), b"")
    return _part(head, b2a_qp(b"\r\n".join(lines)))


def _part(head: Sequence[str], content: bytes) -> bytes:
    return "\r\n".join((*head, "", "")).encode() + content


def _multipart(subtype: str, parts: Sequence[bytes]) -> bytes:
    # Neither quoted-printable nor base64 can contain "=_": https://www.rfc-editor.org/rfc/rfc2045#section-6.7
    boundary = f"=_{subtype}"
    border = f"\r\n--{boundary}\r\n".encode()
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n'.encode()
    return b"".join((head, *(piece for part in parts for piece in (border, part)), border[:-2], b"--\r\n"))
