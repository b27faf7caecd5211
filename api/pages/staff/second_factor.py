"""A person's own second factor: set it up, get other recovery codes, remove it. Each needs the current password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response
from markupsafe import Markup

from api.errors import ProblemError
from api.limits import ClientAddress
from api.log_ins import authenticate, start_log_in
from api.outages import reading, transaction
from api.pages.staff.console import SECOND_FACTOR, Console, LoggedInPerson, staff_router
from api.pages.staff.log_in import keep_token
from api.pages.staff.own_account import ACCOUNT, not_confirmed, renew
from api.second_factor import (
    app_address,
    matching_step,
    new_recovery_codes,
    new_setup,
    qr_code,
    recovery_code_hash,
    secret_of_setup,
)
from domain.roles import may_manage
from models import Staff, utc_now
from storage.account_tables import SecondFactor
from storage.second_factors import (
    add_factor,
    factor_of,
    recovery_codes_left,
    remove_factor,
    replace_recovery_codes,
)

router = staff_router()

Errors = dict[str, str]


@router.get("/account/second-factor/")
async def second_factor(console: LoggedInPerson) -> Response:
    """Show the second factor, or the QR code to set it up."""
    return await _show(console)


@router.post("/account/second-factor/")
async def set_up(console: LoggedInPerson, address: ClientAddress) -> Response:
    """Set it up, if a code shows that the app has the secret. Every other log-in ends."""
    form = await console.page.form()
    services, staff_id = console.services, console.colleague.staff_id
    if console.colleague.has_second_factor:
        return console.page.redirect(SECOND_FACTOR)
    secret = secret_of_setup(services.auth_secret, staff_id, form.get("setup", ""))
    if secret is None:
        return await _show(console, errors={"otp": "This took too long. Scan the new QR code."}, status=422)
    step = matching_step(secret, form.get("otp", ""), utc_now())
    if step is None:
        wrong = "This is not the app's current code. Check the phone's clock, and wait for the next code."
        return await _show(console, form=form, errors={"otp": wrong}, status=422)
    if refused := await _password_refused(console, form, address):
        return await _show(
            console, form=form, errors={"current": not_confirmed(refused)}, status=refused.status
        )
    codes = new_recovery_codes()
    factor = SecondFactor(staff_id=staff_id, encrypted_secret=form["setup"], last_step=step)
    async with transaction(services.database) as db:
        await add_factor(
            db, factor, [recovery_code_hash(services.auth_secret, staff_id, each) for each in codes]
        )
        staff = await db.get_one(Staff, staff_id, populate_existing=True)
    token = await start_log_in(services, staff, address)
    # The forms of the answer belong to the new log-in.
    console.page.session = token
    return keep_token(console.page, await console.show("recovery_codes.html", codes=codes, new=True), token)


@router.post("/account/second-factor/recovery-codes/")
async def other_recovery_codes(console: LoggedInPerson, address: ClientAddress) -> Response:
    """Show other recovery codes; those of before end."""
    form = await console.page.form()
    if refused := await _password_refused(console, form, address):
        return await _show(console, errors={"current": not_confirmed(refused)}, status=refused.status)
    services, staff_id = console.services, console.colleague.staff_id
    if not console.colleague.has_second_factor:
        return console.page.redirect(SECOND_FACTOR)
    codes = new_recovery_codes()
    async with transaction(services.database) as db:
        hashes = [recovery_code_hash(services.auth_secret, staff_id, each) for each in codes]
        await replace_recovery_codes(db, staff_id, hashes)
    return await console.show("recovery_codes.html", codes=codes, new=False)


@router.post("/account/second-factor/remove/")
async def remove(console: LoggedInPerson, address: ClientAddress) -> Response:
    """Remove it, unless the hotel requires it. Every other log-in ends."""
    form = await console.page.form()
    if _is_required(console):
        raise ProblemError(403, "forbidden", "Your hotel requires a second factor of managers.")
    if refused := await _password_refused(console, form, address):
        return await _show(console, errors={"current": not_confirmed(refused)}, status=refused.status)
    async with transaction(console.services.database) as db:
        await remove_factor(db, console.colleague.staff_id)
    return await renew(console, address, f"{ACCOUNT}?saved=second-factor")


async def _password_refused(console: Console, form: Mapping[str, str], address: str) -> ProblemError | None:
    try:
        await authenticate(console.services, console.me.email, form.get("current", ""), address)
    except ProblemError as problem:
        return problem
    return None


def _is_required(console: Console) -> bool:
    return console.hotel.managers_need_second_factor and may_manage(console.colleague.role)


async def _show(
    console: Console,
    *,
    form: Mapping[str, str] | None = None,
    errors: Errors | None = None,
    status: int = 200,
) -> Response:
    auth_secret, staff_id = console.services.auth_secret, console.colleague.staff_id
    async with reading(console.services.database) as db:
        factor = await factor_of(db, staff_id)
        codes_left = await recovery_codes_left(db, staff_id)
        frame = await console.frame(db)
    context: dict[str, Any] = {"factor": factor, "codes_left": codes_left, "errors": errors or {}}
    if factor is None:
        setup = form["setup"] if form else new_setup(auth_secret, staff_id)
        secret = secret_of_setup(auth_secret, staff_id, setup) or ""
        address = app_address(secret, console.me.email, console.hotel.name)
        context |= {
            "setup": setup,
            "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
            "address": address,
            "qr_code": Markup(qr_code(address)),  # noqa: S704  made of squares alone
        }
    return await console.show(
        "second_factor.html", status, frame=frame, required=_is_required(console), **context
    )
