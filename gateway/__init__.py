"""Talking to Stripe: the client, what its errors mean, and what it says of a payment."""
