"""The Stripe client."""

from __future__ import annotations

import stripe

REQUEST_TIMEOUT_S = 6
"""With its one repeat, less than an activity's own time: the activity hears of the timeout and can say so."""


def stripe_client(
    secret_key: str, api_base: str | None, *, connections: stripe.HTTPXClient | None = None
) -> stripe.StripeClient:
    """Build the client that all activities share.

    Args:
        secret_key: the account's secret key.
        api_base: another server that speaks Stripe's protocol; None for Stripe itself.
        connections: from `stripe_connections`, for a caller that ends before its process does.
    """
    return stripe.StripeClient(
        secret_key,
        http_client=connections or stripe_connections(),
        # One quick repeat under the same key heals a lost packet; the activity's retries do the rest.
        max_network_retries=1,
        base_addresses={"api": api_base} if api_base else {},
    )


def stripe_connections() -> stripe.HTTPXClient:
    """The connections a client makes; to be closed with `close_async`."""
    return stripe.HTTPXClient(timeout=REQUEST_TIMEOUT_S, allow_sync_methods=False)
