"""Drills: what is lost with a database, and what is not."""
