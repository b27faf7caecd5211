"""Temporal workflows. Only they decide what happens to a booking."""
