"""`staff`: people who decide about a hotel's bookings."""

from __future__ import annotations

from typing import Annotated

import typer
from argon2 import PasswordHasher

from domain.roles import Role
from management import checks
from management.tools import Tools, fail, say, tools_of
from models import Staff
from storage import catalogue

app = typer.Typer(no_args_is_help=True, help="People who decide about a hotel's bookings.")


@app.callback()
def group() -> None:
    """Keep `staff add` two words although it is the only command."""


@app.command("add")
def add(
    context: typer.Context,
    hotel: Annotated[str, typer.Option(callback=checks.slug, help="The hotel's slug.")],
    email: Annotated[str, typer.Option(callback=checks.email, help="Their log-in.")],
    role: Annotated[
        Role, typer.Option(help="viewer reads; approver also decides; manager also cancels and configures.")
    ],
    password: Annotated[
        str | None, typer.Option(help="Asked for when left out, which keeps it out of the shell's history.")
    ] = None,
) -> None:
    """Add a member of staff to a hotel."""
    tools = tools_of(context)
    # Looked up first: nobody should be asked for a password that is then not used.
    hotel_id = tools.run(_look_up(tools, hotel, email))
    if hotel_id is None:
        say(f"{email} is on the staff of {hotel} already; nothing changed.")
        return
    given = password or typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    hashed = PasswordHasher().hash(checks.password(given))
    row = Staff(hotel_id=hotel_id, email=email, role=role, password_hash=hashed)
    if tools.run(_add(tools, row)):
        say(f"{email} added to the staff of {hotel} as {role}.")
    else:
        say(f"{email} was added by somebody else just now; nothing changed.")


async def _look_up(tools: Tools, slug: str, email: str) -> int | None:
    """The hotel's id, or None where the address is on its staff already."""
    async with tools.database() as database, database.transaction() as db:
        hotel = await catalogue.hotel_by_slug(db, slug)
        found = await catalogue.staff_with_hotel(db, email)
    if hotel is None or hotel.id is None:
        fail(f"There is no hotel {slug}. `hotel add {slug}` adds it.")
    if found is None:
        return hotel.id
    if found[1].slug != slug:
        fail(f"{email} works for {found[1].slug}; a member of staff belongs to one hotel.")
    return None


async def _add(tools: Tools, row: Staff) -> bool:
    async with tools.database() as database, database.transaction() as db:
        return await catalogue.add_unless_there(db, row)
