"""Comparing Stripe, the database and the workflows, and healing the differences."""
