"""The Stripe client."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe

log = logging.getLogger("gateway")

REQUEST_TIMEOUT_S = 6
"""With its one repeat, less than an activity's own time: the activity hears of the timeout and can say so."""


def stripe_client(
    secret_key: str, api_base: str | None, *, connections: stripe.HTTPXClient | None = None
) -> stripe.StripeClient:
    """Build the client that all activities share.

    Args:
        secret_key: the account's secret key.
        api_base: the address of another server with Stripe's API; None for Stripe itself.
        connections: from `stripe_connections`, for a caller that ends before its process does.
    """
    return stripe.StripeClient(
        secret_key,
        http_client=connections or stripe_connections(),
        # One quick repeat under the same key recovers a lost packet; the activity's retries do the rest.
        max_network_retries=1,
        base_addresses={"api": api_base} if api_base else {},
    )


def stripe_connections() -> stripe.HTTPXClient:
    """A client's HTTP connections; close them with `close_async`."""
    return LoggedConnections(timeout=REQUEST_TIMEOUT_S, allow_sync_methods=False)


class LoggedConnections(stripe.HTTPXClient):
    """Stripe's connections, with a log line for each request, including the SDK's own repeats."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        begun = time.perf_counter()
        answered: dict[str, Any] = {"status": None, "request_id": None}
        try:
            content, status, answer_headers = await super().request_async(method, url, headers, post_data)
            answered = {"status": status, "request_id": answer_headers.get("request-id")}
            return content, status, answer_headers
        finally:
            call = {
                "method": method.upper(),
                "path": urlsplit(url).path,
                "key": headers.get("Idempotency-Key"),
            }
            fields = {**call, **answered, "ms": round((time.perf_counter() - begun) * 1000, 1)}
            log.info("Stripe was called", extra={"fields": fields})
