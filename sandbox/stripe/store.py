"""The stand-in's state: one SQLite file, written in short transactions.

One row holds one object, as JSON. A handler writes its objects, events, deliveries and the idempotency key's answer in
one transaction, so a `kill -9` leaves all of them or none.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.stripe.shapes import PRIVATE, Obj

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, created INTEGER NOT NULL,
    payment_intent TEXT, charge TEXT, label TEXT, booking_id TEXT, due_at INTEGER, body TEXT NOT NULL);
DROP INDEX IF EXISTS objects_kind;
CREATE INDEX IF NOT EXISTS objects_listed ON objects (kind, seq, created, label);
CREATE INDEX IF NOT EXISTS objects_payment_intent ON objects (payment_intent, kind) WHERE payment_intent NOT NULL;
CREATE INDEX IF NOT EXISTS objects_booking ON objects (booking_id, kind) WHERE booking_id NOT NULL;
CREATE INDEX IF NOT EXISTS objects_due ON objects (due_at) WHERE due_at NOT NULL;
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    request_id TEXT NOT NULL, created_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS idempotency_age ON idempotency (created_at);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, type TEXT NOT NULL, cause TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL, next_at REAL,
    outcomes TEXT NOT NULL DEFAULT '[]');
CREATE INDEX IF NOT EXISTS deliveries_event ON deliveries (event_id);
CREATE INDEX IF NOT EXISTS deliveries_pending ON deliveries (id) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_UPSERT: Final = """
INSERT INTO objects (id, kind, created, payment_intent, charge, label, booking_id, due_at, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET payment_intent = excluded.payment_intent, charge = excluded.charge,
    label = excluded.label, booking_id = excluded.booking_id, due_at = excluded.due_at, body = excluded.body
"""


@dataclass(frozen=True)
class ListPage:
    """A page of a list, as in Stripe's list parameters."""

    limit: int = 10
    starting_after: str | None = None
    ending_before: str | None = None


class Store:
    """The SQLite file and its statements. Single-threaded."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "stripe.sqlite3", isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # No other process uses the file; exclusive locking makes a transaction a fifth cheaper.
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "temp_store = MEMORY",
        ):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the statements within as one transaction."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Run one statement."""
        return self._db.execute(statement, values)

    def save(self, obj: Obj) -> None:
        """Write an object, new or changed."""
        private = obj.get(PRIVATE, {})
        values = (
            obj["id"],
            obj["object"],
            obj["created"],
            obj.get("payment_intent"),
            obj.get("charge"),
            # The filter of lists: an event's type, any other object's status.
            obj["type"] if obj["object"] == "event" else obj.get("status"),
            (obj.get("metadata") or {}).get("booking_id"),
            private.get("due_at"),
            json.dumps(obj, separators=(",", ":")),
        )
        self._db.execute(_UPSERT, values)

    def find(self, kind: str, object_id: str) -> Obj | None:
        """Return one object, or None."""
        row = self._db.execute(
            "SELECT body FROM objects WHERE id = ? AND kind = ?", (object_id, kind)
        ).fetchone()
        return json.loads(row["body"]) if row else None

    def get(self, kind: str, object_id: str) -> Obj:
        """Return an object that must exist.

        Raises:
            KeyError: it does not exist.
        """
        obj = self.find(kind, object_id)
        if obj is None:
            raise KeyError(object_id)
        return obj

    def select(
        self, kind: str, where: Mapping[str, Any] | None = None, page: ListPage | None = None
    ) -> list[Obj]:
        """Return objects of a kind, newest first.

        Args:
            kind: such as `charge`.
            where: conditions with a placeholder each, and the values: `{"created >= ?": 3}`.
            page: one row more than its limit is returned if there are more; None returns all.
        """
        conditions, values = ["kind = ?"], [kind]
        for condition, value in (where or {}).items():
            conditions.append(condition)
            values.extend(value if isinstance(value, list) else [value])
        order, limit = "DESC", -1
        if page is not None:
            limit = page.limit + 1
            if page.starting_after is not None:
                conditions.append("seq < (SELECT seq FROM objects WHERE id = ?)")
                values.append(page.starting_after)
            if page.ending_before is not None:
                conditions.append("seq > (SELECT seq FROM objects WHERE id = ?)")
                values.append(page.ending_before)
                order = "ASC"
        rows = self._db.execute(
            # Conditions are this package's own text; outside values are bound.
            f"SELECT body FROM objects WHERE {' AND '.join(conditions)} ORDER BY seq {order} LIMIT ?",  # noqa: S608
            (*values, limit),
        ).fetchall()
        return [json.loads(row["body"]) for row in rows]

    def due(self, now_s: float) -> list[Obj]:
        """Return the sessions, holds and refunds that are due, earliest first."""
        rows = self._db.execute(
            "SELECT body FROM objects WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at, seq LIMIT 500",
            (now_s,),
        ).fetchall()
        return [json.loads(row["body"]) for row in rows]

    def setting(self, name: str) -> Any:
        """Return a setting's value, or None."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return json.loads(row["value"]) if row else None

    def set_setting(self, name: str, value: Any) -> None:
        """Store a setting."""
        self._db.execute(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, json.dumps(value)),
        )
