"""Every published event, in order, in SQLite, so that the evidence survives a restart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.pusher.events import PusherEvent

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, channel TEXT NOT NULL, name TEXT NOT NULL, data TEXT NOT NULL, booking_id TEXT
);
CREATE INDEX IF NOT EXISTS message_booking_id ON message (booking_id);
CREATE INDEX IF NOT EXISTS message_channel ON message (channel);
"""


@dataclass(frozen=True)
class PusherMessage:
    """One event on one channel; `at` is RFC 3339 in UTC, `data` is parsed when it is JSON."""

    id: int
    at: str
    channel: str
    name: str
    data: Any

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class MessageRecord:
    """The messages of one Pusher app.

    Args:
        folder: the folder of `messages.sqlite`; None keeps the messages in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "messages.sqlite" if folder else ":memory:")
        # A commit to the write-ahead log is in the kernel, so it survives a killed process.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def add(self, events: Iterable[PusherEvent]) -> None:
        """Store events, all or none."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        rows = [(at, event.channel, event.name, event.data, _booking_id(event.data)) for event in events]
        with self._db:
            self._db.executemany(
                "INSERT INTO message (at, channel, name, data, booking_id) VALUES (?, ?, ?, ?, ?)", rows
            )

    def find(
        self, *, channel: str | None = None, event: str | None = None, booking_id: str | None = None
    ) -> list[PusherMessage]:
        """The messages that match every filter given, oldest first."""
        rows = self._db.execute(
            "SELECT id, at, channel, name, data FROM message"
            " WHERE (?1 IS NULL OR channel = ?1) AND (?2 IS NULL OR name = ?2)"
            " AND (?3 IS NULL OR booking_id = ?3) ORDER BY id",
            (channel, event, booking_id),
        )
        return [_message(row) for row in rows]

    def newest(self, limit: int) -> list[PusherMessage]:
        """The last `limit` messages, newest first."""
        rows = self._db.execute(
            "SELECT id, at, channel, name, data FROM message ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [_message(row) for row in rows]

    def count(self) -> int:
        (count,) = self._db.execute("SELECT count(*) FROM message").fetchone()
        return int(count)

    def clear(self) -> None:
        with self._db:
            self._db.execute("DELETE FROM message")

    def close(self) -> None:
        self._db.close()


def _message(row: tuple[int, str, str, str, str]) -> PusherMessage:
    message_id, at, channel, name, data = row
    return PusherMessage(message_id, at, channel, name, _parsed(data))


def _booking_id(data: str) -> str | None:
    parsed = _parsed(data)
    booking_id = parsed.get("booking_id") if isinstance(parsed, dict) else None
    return booking_id if isinstance(booking_id, str) else None


def _parsed(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data  # Pusher carries any text
