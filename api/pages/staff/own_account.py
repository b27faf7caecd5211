"""A person's own account: their password and their log-ins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Path
from fastapi.responses import Response

from api.errors import ProblemError
from api.limits import ClientAddress
from api.log_ins import authenticate, start_log_in
from api.outages import reading, transaction
from api.pages.staff.console import AtConsole, Console, staff_router
from api.pages.staff.log_in import SHOWN, let_in
from api.pages.staff.people import PASSWORD_HINT, read_password
from models import utc_now
from storage.log_ins import change_credentials, end_log_in, end_other_log_ins, log_ins_of
from wording.values import short_instant

router = staff_router()

ACCOUNT = "/staff/account/"

LogInId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@router.get("/account/")
async def account(console: AtConsole, saved: str = "") -> Response:
    """Show the account's log-ins, and the form for a new password."""
    return await _show(console, saved=saved)


@router.post("/account/password/")
async def change_password(console: AtConsole, address: ClientAddress) -> Response:
    """Set another password. It ends every log-in but this one."""
    form = await console.page.form()
    errors: dict[str, str] = {}
    password = read_password(form, errors, needed=True)
    if password is None:
        return await _show(console, errors=errors, status=422)
    try:
        await authenticate(console.services, console.me.email, form.get("current", ""), address)
    except ProblemError as problem:
        return await _show(console, errors={"current": not_confirmed(problem)}, status=problem.status)
    hashed = await console.services.passwords.hash(password)
    return await renew(console, address, f"{ACCOUNT}?saved=password", password_hash=hashed)


async def renew(console: Console, address: str, after: str, **changes: object) -> Response:
    """End every log-in of the reader, set columns of their account, and log this browser in again."""
    services, staff_id = console.services, console.colleague.staff_id
    async with transaction(services.database) as db:
        await change_credentials(db, staff_id, **changes)
        staff = await db.get_one(type(console.me), staff_id, populate_existing=True)
    return let_in(console.page, await start_log_in(services, staff, address), after)


def not_confirmed(problem: ProblemError) -> str:
    """The words beside a wrong current password.

    Raises:
        ProblemError: the problem is another one: an outage, say.
    """
    if problem.status not in SHOWN:
        raise problem
    return problem.detail if problem.status == 429 else "This is not your current password."


@router.post("/account/log-ins/{log_in_id}/end/")
async def end_one(console: AtConsole, log_in_id: LogInId) -> Response:
    """End one log-in; nothing is left to do for one that has ended meanwhile."""
    await console.page.form()
    async with transaction(console.services.database) as db:
        await end_log_in(db, console.colleague.staff_id, log_in_id)
    return console.page.redirect(f"{ACCOUNT}?saved=log-in")


@router.post("/account/log-ins/end-others/")
async def end_others(console: AtConsole) -> Response:
    """End every log-in but this one."""
    await console.page.form()
    async with transaction(console.services.database) as db:
        await end_other_log_ins(db, console.colleague.staff_id, console.colleague.log_in_id)
    return console.page.redirect(f"{ACCOUNT}?saved=log-ins")


async def _show(
    console: Console, *, saved: str = "", errors: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    now = utc_now()
    async with reading(console.services.database) as db:
        rows = await log_ins_of(db, console.colleague.staff_id, now)
        frame = await console.frame(db)
    log_ins = [
        {
            "id": row.log_in_id,
            "since": short_instant(row.begun_at, console.hotel.timezone, now),
            "address": row.address,
            "current": row.log_in_id == console.colleague.log_in_id,
        }
        for row in rows
    ]
    return await console.show(
        "account.html",
        status,
        frame=frame,
        log_ins=log_ins,
        saved=saved,
        errors=errors or {},
        has_second_factor=console.colleague.has_second_factor,
        password_hint=PASSWORD_HINT,
    )
