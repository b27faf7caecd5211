"""Every accepted message, in order, in SQLite, so that the evidence survives a restart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox.mail.parsing import MessageContent, read_content, read_headers

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mail (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, sender TEXT NOT NULL, recipients TEXT NOT NULL,
    subject TEXT NOT NULL, message_id TEXT NOT NULL, raw BLOB NOT NULL
)
"""
_COLUMNS = "id, at, sender, recipients, subject, message_id, raw"


@dataclass(frozen=True)
class InboxMessage:
    """One accepted message; `at` is RFC 3339 in UTC, sender and recipients are the envelope's."""

    id: int
    at: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    raw: bytes

    def content(self) -> MessageContent:
        return read_content(self.raw)


class MailInbox:
    """The messages of one mail catcher.

    Args:
        folder: the folder of `mail.sqlite`; None keeps the messages in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "mail.sqlite" if folder else ":memory:")
        # A commit to the write-ahead log is in the kernel, so it survives a killed process.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(_SCHEMA)

    def add(self, sender: str, recipients: Sequence[str], raw: bytes) -> None:
        """Store one message."""
        headers = {name.lower(): value for name, value in read_headers(raw).items()}
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        subject, message_id = headers.get("subject", ""), headers.get("message-id", "")
        with self._db:
            self._db.execute(
                "INSERT INTO mail (at, sender, recipients, subject, message_id, raw)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (at, sender, json.dumps(list(recipients)), subject, message_id, raw),
            )

    def find(
        self, *, to: str | None = None, subject: str | None = None, booking_id: str | None = None
    ) -> list[InboxMessage]:
        """The messages that match every filter given, oldest first.

        Args:
            to: the address of one of the recipients, in either case.
            subject: text that the subject contains.
            booking_id: text that the subject or the Message-ID contains.
        """
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM mail"  # noqa: S608  # the columns are a constant
            " WHERE (?1 IS NULL OR lower(?1) IN (SELECT lower(value) FROM json_each(recipients)))"
            " AND (?2 IS NULL OR instr(subject, ?2))"
            " AND (?3 IS NULL OR instr(subject, ?3) OR instr(message_id, ?3)) ORDER BY id",
            (to, subject, booking_id),
        )
        return [_mail(row) for row in rows]

    def newest(self, limit: int) -> list[InboxMessage]:
        """The last `limit` messages, newest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM mail ORDER BY id DESC LIMIT ?",  # noqa: S608  # see above
            (limit,),
        )
        return [_mail(row) for row in rows]

    def get(self, mail_id: int) -> InboxMessage | None:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM mail WHERE id = ?", (mail_id,))  # noqa: S608  # see above
        return next((_mail(row) for row in rows), None)

    def count(self) -> int:
        (count,) = self._db.execute("SELECT count(*) FROM mail").fetchone()
        return int(count)

    def clear(self) -> None:
        with self._db:
            self._db.execute("DELETE FROM mail")

    def close(self) -> None:
        self._db.close()


def _mail(row: tuple[int, str, str, str, str, str, bytes]) -> InboxMessage:
    mail_id, at, sender, recipients, subject, message_id, raw = row
    return InboxMessage(mail_id, at, sender, tuple(json.loads(recipients)), subject, message_id, raw)
