"""Temporal workflows: the only place where a booking's fate is decided."""
