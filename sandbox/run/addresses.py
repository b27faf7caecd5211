"""The addresses of a running stack, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sandbox.stack import Stack

HOTELS: Final = ("hotel-killarney", "kyoto-inn")
ROLES: Final = ("viewer", "approver", "manager")


def where(stack: Stack, password: str) -> list[tuple[str, str]]:
    """Names and URLs, in the order of the README's walk-through."""
    url = stack.url
    guests = [(f"Guests, {hotel}", f"{url['api']}/hotels/{hotel}/") for hotel in HOTELS]
    staff = [(f"  {hotel}", " ".join(f"{role}@{hotel}.test" for role in ROLES)) for hotel in HOTELS]
    others = [
        (f"API ({name})", address)
        for name, address in url.items()
        if name.startswith("api") and name != "api"
    ]
    return [
        *guests,
        ("Staff console", f"{url['api']}/staff/"),
        *staff,
        ("  password", password),
        ("API", f"{url['api']}/docs"),
        *others,
        ("Stripe stand-in", f"{url['stripe']}/"),
        ("Inbox", f"{url['inbox']}/"),
        ("Realtime messages", f"{url['pusher']}/"),
        ("Temporal UI", f"{url['temporal']}/"),
        ("Temporal", stack.temporal_address),
        ("PostgreSQL", stack.database_url),
        ("Logs", str(stack.logs)),
    ]


def table(rows: Sequence[tuple[str, str]]) -> str:
    """The rows in two columns, between two empty lines."""
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {value}" for name, value in rows]
    return "\n".join(["", *lines, "", "Ctrl-C stops everything; `make clean-data` deletes the data.", ""])
