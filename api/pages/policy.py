"""The content security policy of pages: only what they need, from our own origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

# `no-referrer`, the default for other answers, would make browsers send forms with `Origin: null`.
_REFERRER_POLICY: Final = "same-origin"


@dataclass(frozen=True)
class RealtimeSource:
    """The server of realtime events.

    Args:
        key: the app's public key.
        cluster: Pusher's cluster; empty if `host` is another server with the same protocol.
        tls: whether the connection is encrypted.
    """

    key: str
    cluster: str = ""
    host: str = ""
    port: int | None = None
    tls: bool = True

    @property
    def origin(self) -> str:
        """The WebSocket origin that the policy has to allow."""
        # pusher-js connects to this host: https://pusher.com/docs/channels/miscellaneous/clusters/
        host = self.host or f"ws-{self.cluster}.pusher.com"
        port = f":{self.port}" if self.host and self.port else ""
        return f"{'wss' if self.tls else 'ws'}://{host}{port}"


def page_headers(realtime: RealtimeSource) -> Mapping[str, str]:
    """The headers of every page: no inline script or style, no other origin, no frames."""
    return _headers({"connect-src": f"'self' {realtime.origin}"})


def docs_headers() -> Mapping[str, str]:
    """The headers of the API's documentation, whose style sheet holds its pictures as `data:`."""
    return _headers({"connect-src": "'self'", "img-src": "'self' data:"})


def _headers(more: Mapping[str, str]) -> Mapping[str, str]:
    directives = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        **more,
    }
    policy = "; ".join(f"{name} {value}" for name, value in directives.items())
    return MappingProxyType(
        {
            "Content-Security-Policy": policy,
            "Referrer-Policy": _REFERRER_POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
            "Cache-Control": "no-store",
        }
    )
