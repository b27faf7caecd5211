"""Stripe's clients outlive what they were made for."""

from __future__ import annotations

import gc

import stripe


async def close_stripe_clients() -> None:
    """Close the connections workers keep to the end of the process, which outlives the servers of the tests."""
    kind = stripe.HTTPXClient  # looked up once: the library imports it anew each time
    for client in gc.get_objects():
        # Not isinstance: it asks a weak reference for what it stood for, which may be gone.
        if type(client) is kind:
            await client.close_async()  # type: ignore[no-untyped-call]
