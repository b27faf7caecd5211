"""Compares Stripe, the database and the workflows, and heals the differences."""
