"""Idempotency keys, with Stripe's rules. https://docs.stripe.com/api/idempotent_requests

The first answer under a key is stored once the request began to run, even a 500. Validation errors and conflicts
with the same key in flight are not stored. A key expires after a day.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from sandbox.stripe.answers import ApiAnswer
from sandbox.stripe.errors import ApiError, invalid
from sandbox.stripe.store import Store

KEPT_S: Final = 24 * 3600
_LONGEST: Final = 255


def fingerprint(path: str, raw: dict[str, Any]) -> str:
    """Return a digest of a request that does not depend on the order of its parameters."""
    return f"{path} {hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()}"


def check_length(key: str) -> None:
    """Refuse a key that is too long.

    Raises:
        ApiError: more than 255 characters.
    """
    if len(key) > _LONGEST:
        raise invalid(f"Idempotency keys can be at most {_LONGEST} characters long.")


def replay(store: Store, key: str, digest: str, now_s: float) -> ApiAnswer | None:
    """Return the answer stored under a key, or None.

    Raises:
        ApiError: the key was used for another request.
    """
    row = store.execute(
        "SELECT * FROM idempotency WHERE key = ? AND created_at > ?", key, now_s - KEPT_S
    ).fetchone()
    if row is None:
        return None
    check_same(key, row["fingerprint"], digest)
    headers = {"Idempotent-Replayed": "true", "Original-Request": row["request_id"]}
    return ApiAnswer(row["status"], row["body"], headers)


def check_same(key: str, first: str, digest: str) -> None:
    """Refuse a key that was used for another request.

    Raises:
        ApiError: of Stripe's type `idempotency_error`.
    """
    if first == digest:
        return
    same = "parameters" if first.split()[0] == digest.split()[0] else "endpoint"
    raise ApiError(
        400,
        f"Keys for idempotent requests can only be used with the same {same} they were first used with. Try "
        f"using a key other than '{key}' if you meant to execute a different request.",
        type_="idempotency_error",
        stored=False,
    )


def in_flight(key: str) -> ApiError:
    """The answer to a request while another one with the same key is under way."""
    return ApiError(
        409,
        f"There is currently another in-progress request using this Idempotency Key ({key}). Please try again "
        "later.",
        code="idempotency_key_in_use",
        stored=False,
    )


def keep(store: Store, key: str, digest: str, answer: ApiAnswer, request_id: str, now_s: float) -> None:
    """Store an answer under a key, and delete some expired ones."""
    store.execute(
        "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE created_at < ? LIMIT 10)",
        now_s - KEPT_S,
    )
    store.execute(
        "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
        *(key, digest, answer.status, answer.body, request_id, now_s),
    )
