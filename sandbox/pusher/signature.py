"""The two signatures of Pusher Channels: of a request to the HTTP API, and of a private subscription.

Source: pusher.com/docs/channels/library_auth_reference, "Authentication and authorization signatures".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.pusher.errors import RefusedRequestError

TIMESTAMP_TOLERANCE_S = 600


@dataclass(frozen=True)
class Credentials:
    """The credentials of one Pusher app."""

    app_id: str
    key: str
    secret: str

    def sign(self, text: str) -> str:
        """HMAC-SHA256 of `text` under the app's secret, in hexadecimal."""
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class SignedRequest:
    """The parts of an HTTP request that its signature covers; `query` is decoded."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    body: bytes


def check_request(credentials: Credentials, request: SignedRequest, now_s: float) -> None:
    """Check that a request was signed with the app's secret, for this body, within the time limit.

    Args:
        credentials: the app's key and secret.
        request: the request's signed parts.
        now_s: seconds since the epoch.

    Raises:
        RefusedRequestError: 401, with the reason.
    """
    query = dict(request.query)
    if query.get("auth_key") != credentials.key:
        raise RefusedRequestError(401, f"Unknown auth_key {query.get('auth_key', '')}")
    if query.get("auth_version") != "1.0":
        raise RefusedRequestError(401, "auth_version must be 1.0")
    _check_timestamp(query.get("auth_timestamp", ""), now_s)
    # MD5 is Pusher's choice: it binds the body to the signed query, which the secret protects.
    body_md5 = hashlib.md5(request.body, usedforsecurity=False).hexdigest()
    if (request.body or "body_md5" in query) and query.get("body_md5") != body_md5:
        raise RefusedRequestError(401, "body_md5 does not match the body")
    text = "\n".join([request.method, request.path, _signed_query(request.query)])
    if not hmac.compare_digest(credentials.sign(text).encode(), query.get("auth_signature", "").encode()):
        shown = text.replace("\n", "\\n")
        raise RefusedRequestError(
            401, f'Invalid signature: you should have sent HmacSHA256Hex("{shown}", your_secret_key)'
        )


def check_subscription(credentials: Credentials, socket_id: str, channel: str, auth: str) -> str | None:
    """Check the `auth` of a subscription to a private channel.

    Returns:
        The reason for a refusal, in Pusher's words, or None.
    """
    key, _, signature = auth.partition(":")
    if key != credentials.key:
        return f"Invalid key in subscription auth data: '{key}'"
    signed = f"{socket_id}:{channel}"
    if not hmac.compare_digest(credentials.sign(signed).encode(), signature.encode()):
        return f"Invalid signature: Expected HMAC SHA256 hex digest of {signed}, but got {signature}"
    return None


def _check_timestamp(timestamp: str, now_s: float) -> None:
    if not timestamp.isascii() or not timestamp.isdigit():
        raise RefusedRequestError(401, "auth_timestamp must be seconds since the epoch")
    if abs(now_s - int(timestamp)) > TIMESTAMP_TOLERANCE_S:
        raise RefusedRequestError(
            401,
            f"Timestamp expired: Given timestamp ({timestamp}) not within "
            f"{TIMESTAMP_TOLERANCE_S}s of server time ({now_s:.0f})",
        )


def _signed_query(query: Sequence[tuple[str, str]]) -> str:
    signed = sorted((name.lower(), value) for name, value in query if name != "auth_signature")
    return "&".join(f"{name}={value}" for name, value in signed)
