"""Stripe: the client, the meaning of its errors, and snapshots of payments."""
