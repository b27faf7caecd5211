"""`staff`: accounts of a hotel's staff."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dispatch.account_mails import start_account_mail
from domain.accounts import comparable_password
from domain.roles import Role
from management import checks
from management.tools import Tools, fail, refuse_other_values, say, tools_of
from models import Staff, utc_now
from storage import catalogue
from storage.account_links import add_invitation
from storage.second_factors import remove_factor

app = typer.Typer(no_args_is_help=True, help="Accounts of a hotel's staff.")


@app.command("add")
def add(
    context: typer.Context,
    hotel: Annotated[str, typer.Option(callback=checks.slug, help="The hotel's slug.")],
    email: Annotated[str, typer.Option(callback=checks.email, help="The e-mail address they log in with.")],
    role: Annotated[
        Role, typer.Option(help="viewer reads; approver also decides; manager also cancels and configures.")
    ],
    password: Annotated[
        str | None, typer.Option(help="Prompted for if omitted, which keeps it out of the shell's history.")
    ] = None,
) -> None:
    """Add a member of staff to a hotel."""
    tools = tools_of(context)
    # Looked up first, so that the command never prompts for a password it will not use.
    hotel_id, kept = tools.run(_look_up(tools, hotel, email))
    if kept is not None:
        _refuse_other_account(kept, role, password)
        say(f"{email} is on the staff of {hotel} already with these values; nothing changed.")
        return
    hashed = PasswordHasher().hash(checks.password(password or _ask_for_password()))
    row = Staff(hotel_id=hotel_id, email=email, role=role, password_hash=hashed)
    if tools.run(_add(tools, row)):
        say(f"{email} added to the staff of {hotel} as {role}.")
    else:
        fail(f"{email} was added by another command just now. Nothing changed; check its values.")


@app.command("invite")
def invite(
    context: typer.Context,
    hotel: Annotated[str, typer.Option(callback=checks.slug, help="The hotel's slug.")],
    email: Annotated[str, typer.Option(callback=checks.email, help="The e-mail address they log in with.")],
    role: Annotated[Role, typer.Option(help="As for `staff add`.")],
) -> None:
    """E-mail someone a link to choose a password. It works once, within 48 hours; an earlier one ends."""
    tools = tools_of(context)
    hotel_id, kept = tools.run(_look_up(tools, hotel, email))
    if kept is not None:
        fail(f"{email} has an account already; nothing changed.")
    tools.run(_invite(tools, hotel_id, email, role))
    say(f"{email} is invited to the staff of {hotel} as {role}; a worker sends the link.")


@app.command("set-password")
def set_password(
    context: typer.Context,
    email: Annotated[str, typer.Option(callback=checks.email, help="The e-mail address they log in with.")],
    password: Annotated[
        str | None, typer.Option(help="Prompted for if omitted, which keeps it out of the shell's history.")
    ] = None,
    generate: Annotated[bool, typer.Option("--generate", help="Generate a password and print it.")] = False,
) -> None:
    """Set a forgotten password. All sessions under the old password end."""
    if generate and password is not None:
        raise typer.BadParameter("give --password or --generate, not both")
    tools = tools_of(context)
    # Looked up first: a prompt for a password that is then not used would mislead.
    kept = tools.run(_find(tools, email))
    given = secrets.token_urlsafe(12) if generate else checks.password(password or _ask_for_password())
    if _matches(kept.password_hash, given):
        say(f"{email} has this password already; nothing changed.")
        return
    tools.run(_set_password(tools, email, PasswordHasher().hash(given)))
    say(f"Password of {email} set; their log-ins have ended.")
    if generate:
        say(f"Password: {given}")
    if not kept.active:
        say("Their log-in is closed; a manager of the hotel opens it in the console, under Staff.")


@app.command("reset-second-factor")
def reset_second_factor(
    context: typer.Context,
    email: Annotated[str, typer.Option(callback=checks.email, help="The e-mail address they log in with.")],
) -> None:
    """Take the second factor from someone who has lost phone and recovery codes. Their log-ins end."""
    tools = tools_of(context)
    kept = tools.run(_find(tools, email))
    if tools.run(_remove_factor(tools, kept)):
        say(f"Second factor of {email} removed; their log-ins have ended.")
    else:
        say(f"{email} has no second factor; nothing changed.")


async def _remove_factor(tools: Tools, staff: Staff) -> bool:
    assert staff.id is not None
    async with tools.database() as database, database.transaction() as db:
        return await remove_factor(db, staff.id)


def _ask_for_password() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


async def _invite(tools: Tools, hotel_id: int, email: str, role: Role) -> None:
    # Connected first: an invitation that nobody sends is of no use.
    client = await tools.temporal()
    secret = tools.settings.auth_secret.get_secret_value()
    async with tools.database() as database, database.transaction() as db:
        link_id = await add_invitation(db, secret, hotel_id, email, role, utc_now())
    assert link_id is not None, "the address was looked up"
    await start_account_mail(client, link_id, tools.settings.temporal_task_queue)


async def _find(tools: Tools, email: str) -> Staff:
    async with tools.database() as database, database.reading() as db:
        found = await catalogue.staff_with_hotel(db, email)
    if found is None:
        fail(f"There is no staff account {email}. `staff add` adds one.")
    return found[0]


async def _set_password(tools: Tools, email: str, password_hash: str) -> None:
    async with tools.database() as database, database.transaction() as db:
        await catalogue.set_password(db, email, password_hash)


def _refuse_other_account(kept: Staff, role: Role, password: str | None) -> None:
    how = "a manager of the hotel changes it in the console, under Staff."
    refuse_other_values(kept.email, kept, {"role": role, "active": True}, how)
    if password is not None and not _matches(kept.password_hash, password):
        how = "`staff set-password` sets one."
        fail(f"{kept.email} is there already with another password. Nothing changed; {how}")


def _matches(password_hash: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(password_hash, comparable_password(password))
    except (VerificationError, InvalidHashError):
        return False


async def _look_up(tools: Tools, slug: str, email: str) -> tuple[int, Staff | None]:
    """The hotel's id, and the account with this address, if there is one."""
    async with tools.database() as database, database.transaction() as db:
        hotel = await catalogue.hotel_by_slug(db, slug)
        found = await catalogue.staff_with_hotel(db, email)
    if hotel is None or hotel.id is None:
        fail(f"There is no hotel {slug}. `hotel add {slug}` adds it.")
    if found is not None and found[1].slug != slug:
        fail(f"{email} works for {found[1].slug}; a member of staff belongs to one hotel.")
    return hotel.id, found[0] if found else None


async def _add(tools: Tools, row: Staff) -> bool:
    async with tools.database() as database, database.transaction() as db:
        return await catalogue.add_unless_there(db, row)
