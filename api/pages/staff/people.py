"""Staff accounts, managed by the hotel's managers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Path
from fastapi.responses import Response

from api.account_links import send_link
from api.accounts import staff_address
from api.errors import ProblemError, not_found
from api.outages import reading, transaction
from api.pages.staff.console import Console, ManagingConsole, staff_router
from domain.accounts import PASSWORD_LONGEST, PASSWORD_SHORTEST, AccountError, check_password, check_standing
from domain.roles import Role, may_manage
from models import Staff, utc_now
from storage.account_links import add_invitation, invitations_of, withdraw_invitation, withdraw_invitations_by
from storage.account_tables import AccountLink
from storage.log_ins import change_credentials
from storage.second_factors import factor_of, remove_factor
from storage.staff_accounts import active_staff, lock_accounts, one_of, staff_of
from wording import staff as words
from wording.values import sentence, short_instant

router = staff_router()

_ADDRESS: Final = "/staff/people/"
_LARGEST_ID: Final = 2**31 - 1
_ROLES: Final = [(role.value, text) for role, text in words.ROLES.items()]

LinkId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
StaffId = Annotated[int, Path(ge=1, le=_LARGEST_ID)]
Errors = dict[str, str]


@router.get("/people/")
async def people(console: ManagingConsole, saved: str = "") -> Response:
    """List all staff."""
    return await _show(console, saved=saved)


@router.post("/people/")
async def invite(console: ManagingConsole) -> Response:
    """Invite someone: a link to choose a password is sent to them."""
    form = await console.page.form()
    email, errors = _read_address(form)
    role = _read_role(form, errors)
    if not errors:
        services = console.services
        async with transaction(services.database) as db:
            await _lock(console, db)
            link_id = await add_invitation(
                db,
                services.auth_secret,
                console.hotel_id,
                email,
                role,
                utc_now(),
                invited_by=console.colleague.staff_id,
            )
        if link_id is not None:
            await send_link(services, link_id)
            return console.page.redirect(f"{_ADDRESS}?saved=invited")
        errors["email"] = "This address already has an account."
    return await _show(console, form=form, errors=errors, status=422)


@router.post("/people/invitations/{link_id}/withdraw/")
async def withdraw(console: ManagingConsole, link_id: LinkId) -> Response:
    """End an invitation; nothing is left to do for one that was accepted meanwhile."""
    await console.page.form()
    async with transaction(console.services.database) as db:
        await withdraw_invitation(db, console.hotel_id, link_id)
    return console.page.redirect(f"{_ADDRESS}?saved=withdrawn")


@router.get("/people/{staff_id}/")
async def person(console: ManagingConsole, staff_id: StaffId) -> Response:
    """Show one account."""
    return await _show_person(console, await _find(console, staff_id))


@router.post("/people/{staff_id}/")
async def change(console: ManagingConsole, staff_id: StaffId) -> Response:
    """Change a role, open or close a log-in, set a password."""
    form = await console.page.form()
    found = await _find(console, staff_id)
    errors: Errors = {}
    role, active = _read_role(form, errors), form.get("active") == "yes"
    password = read_password(form, errors, needed=False)
    if password is not None and staff_id == console.me.id:
        errors |= {"password": "Change your own password under Your account."}
    try:
        check_standing(own=staff_id == console.me.id, role=role, active=active)
    except AccountError as error:
        errors["role" if not may_manage(role) else "active"] = f"{sentence(str(error))}."
    if errors:
        return await _show_person(console, found, form=form, errors=errors, status=422)
    hashed = await console.services.passwords.hash(password) if password is not None else None
    async with transaction(console.services.database) as db:
        await _lock(console, db)
        row = await one_of(db, console.hotel_id, staff_id)
        assert row is not None, "accounts are closed, never deleted"
        if (role, active, hashed) != (row.role, row.active, None):
            kept = {"role": role, "active": active, "password_hash": hashed or row.password_hash}
            await change_credentials(db, staff_id, **kept)
        if not (active and may_manage(role)):
            await withdraw_invitations_by(db, staff_id)
        await db.refresh(row)
    return console.page.redirect(f"{_ADDRESS}?saved={staff_id}")


@router.post("/people/{staff_id}/second-factor/reset/")
async def reset_second_factor(console: ManagingConsole, staff_id: StaffId) -> Response:
    """Take the second factor from a colleague who has lost theirs; their log-ins end."""
    await console.page.form()
    await _find(console, staff_id)
    if staff_id == console.me.id:
        raise ProblemError(403, "forbidden", "Your own second factor is under Your account.")
    async with transaction(console.services.database) as db:
        await _lock(console, db)
        await remove_factor(db, staff_id)
    return console.page.redirect(f"{_ADDRESS}?saved={staff_id}")


@router.post("/required-second-factor/")
async def require_second_factor(console: ManagingConsole) -> Response:
    """Require a second factor of every manager, or of none."""
    form = await console.page.form()
    async with transaction(console.services.database) as db:
        hotel = await lock_accounts(db, console.hotel_id)
        assert hotel is not None
        hotel.managers_need_second_factor = form.get("required") == "yes"
    return console.page.redirect(f"{_ADDRESS}?saved=required")


async def _lock(console: Console, db: Any) -> None:
    """Keep other managers from changing accounts meanwhile, and check that this one still may.

    Raises:
        ProblemError: 403, another manager has changed this one's role.
    """
    await lock_accounts(db, console.hotel_id)
    found = await active_staff(db, console.colleague.staff_id)
    if found is None or not may_manage(Role(found[0].role)):
        raise ProblemError(403, "forbidden", "This needs a manager, and you no longer are one.")


async def _find(console: Console, staff_id: int) -> Staff:
    async with reading(console.services.database) as db:
        found = await one_of(db, console.hotel_id, staff_id)
    if found is None:
        raise not_found("account")
    return found


async def _show(
    console: Console,
    *,
    saved: str = "",
    form: Mapping[str, str] | None = None,
    errors: Errors | None = None,
    status: int = 200,
) -> Response:
    now = utc_now()
    async with reading(console.services.database) as db:
        accounts = await staff_of(db, console.hotel_id)
        invitations = await invitations_of(db, console.hotel_id, now)
    changed = next((each.email for each in accounts if str(each.id) == saved), None)
    return await console.show(
        "people.html",
        status,
        accounts=accounts,
        changed=changed,
        saved=saved,
        invitations=[(each, _until(console, each, now)) for each in invitations],
        form=form or {},
        errors=errors or {},
        roles=_ROLES,
        role_words=words.ROLES,
    )


def _until(console: Console, invitation: AccountLink, now: datetime) -> str:
    return short_instant(invitation.expires_at, console.hotel.timezone, now)


async def _show_person(
    console: Console,
    found: Staff,
    *,
    form: Mapping[str, str] | None = None,
    errors: Errors | None = None,
    status: int = 200,
) -> Response:
    assert found.id is not None
    async with reading(console.services.database) as db:
        factor = await factor_of(db, found.id)
    given = form or {"role": found.role, "active": "yes" if found.active else "no"}
    return await console.show(
        "person.html",
        status,
        account=found,
        own=found.id == console.me.id,
        factor=factor,
        role=given.get("role", found.role),
        active=given.get("active", "no"),
        errors=errors or {},
        roles=_ROLES,
        password_hint=PASSWORD_HINT,
    )


PASSWORD_HINT: Final = f"{PASSWORD_SHORTEST} to {PASSWORD_LONGEST} characters."


def _read_address(form: Mapping[str, str]) -> tuple[str, Errors]:
    try:
        return staff_address(form.get("email", "").strip()), {}
    except ValueError:
        return "", {"email": "Enter an e-mail address, such as ada@example.com."}


def _read_role(form: Mapping[str, str], errors: Errors) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError:
        errors["role"] = "Choose one of the roles."
        return Role.VIEWER


def read_password(form: Mapping[str, str], errors: Errors, *, needed: bool) -> str | None:
    """The new password, or None to keep the present one."""
    given = form.get("password", "")
    if not given and not needed:
        return None
    try:
        return check_password(given)
    except AccountError as error:
        errors["password"] = f"{sentence(str(error))}."
        return None
