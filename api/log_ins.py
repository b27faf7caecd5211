"""Logging in, and the log-ins of a member of staff."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Path
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, Field

from api.auth import TOKEN_PATH, LoggedIn, staff_token
from api.errors import not_found, problems, unauthorized
from api.limits import ClientAddress, client_network, subject
from api.outages import reading, transaction
from api.schemas import composed
from api.second_factor import use_code
from api.services import Api, Services
from models import Staff, utc_now
from storage.account_tables import SecondFactor
from storage.catalogue import staff_with_hotel
from storage.limits import Limit, Window
from storage.log_ins import LOG_IN_S, begin_log_in, end_log_in, log_ins_of
from storage.second_factors import factor_of

router = APIRouter(tags=["staff"])

_ACCOUNTS_PER_CLIENT: Final = 3
_TOO_MANY_FAILURES: Final = "Too many failed log-ins; wait a little."


class Token(BaseModel):
    """A log-in's token."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105  the scheme's name
    expires_in: int = LOG_IN_S


class LogInDetails(BaseModel):
    """A log-in that has not ended."""

    log_in_id: str
    begun_at: datetime
    expires_at: datetime
    address: str = Field(description="The IP address it came from.")
    current: bool = Field(description="Whether this request uses it.")


class LogInList(BaseModel):
    """The caller's log-ins, newest first."""

    items: list[LogInDetails]


@router.post(TOKEN_PATH, responses=problems(401, 413, 422, 429))
async def log_in(
    services: Api,
    address: ClientAddress,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    otp: Annotated[
        str | None, Form(description="A code of the authenticator app, or a recovery code. Each counts once.")
    ] = None,
) -> Token:
    """Log in with e-mail address and password.

    An account with a second factor also needs `otp`: without it 401 `otp_required`, with a wrong or used one 401
    `invalid_otp`.
    """
    staff = await authenticate(services, form.username, form.password, address)
    await check_second_factor(services, staff, otp or "", address)
    return Token(access_token=await start_log_in(services, staff, address))


@router.get("/api/staff/log-ins/", responses=problems(401))
async def log_ins(services: Api, colleague: LoggedIn) -> LogInList:
    """List your log-ins, with their times and addresses."""
    async with reading(services.database) as db:
        rows = await log_ins_of(db, colleague.staff_id, utc_now())
    details = [
        LogInDetails(**row.model_dump(exclude={"staff_id"}), current=row.log_in_id == colleague.log_in_id)
        for row in rows
    ]
    return LogInList(items=details)


@router.delete("/api/staff/log-ins/{log_in_id}/", status_code=204, responses=problems(401, 404, 422))
async def end(
    services: Api, colleague: LoggedIn, log_in_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
) -> None:
    """End one of your log-ins; the current one is a log-out."""
    async with transaction(services.database) as db:
        if not await end_log_in(db, colleague.staff_id, log_in_id):
            raise not_found("log-in")


async def authenticate(services: Services, email: str, password: str, address: str) -> Staff:
    """Check e-mail address and password. Only failures are counted, per account and client and per client.

    Args:
        address: the IP address the log-in comes from.

    Raises:
        ProblemError: 401, a bad log-in; 429, too many of them; 503, the database is away.
    """
    email = composed(email).strip().lower()
    limits = _limits(services, email, address)
    services.limiter.refuse_reached(limits, _TOO_MANY_FAILURES)
    # One after the other: checking a password takes long, and a crowd's guesses would all begin below the limit.
    async with services.limiter.turn(limits[1]):
        return await _authenticated(services, email, password, limits)


async def _authenticated(services: Services, email: str, password: str, limits: tuple[Limit, Limit]) -> Staff:
    async with reading(services.database) as db:
        await services.limiter.check(db, limits, _TOO_MANY_FAILURES)
        found = await staff_with_hotel(db, email) if email.isprintable() and len(email) <= 320 else None
    staff = found[0] if found and found[0].active else None
    if not await services.passwords.match(staff.password_hash if staff else None, password) or staff is None:
        async with transaction(services.database) as db:
            await services.limiter.count(db, limits, _TOO_MANY_FAILURES)
        raise unauthorized("invalid_login", "E-mail address or password is wrong.")
    async with reading(services.database) as db:
        # Guesses may have failed at the same time: a right one among them must not reveal itself by a success.
        await services.limiter.check(db, limits, _TOO_MANY_FAILURES)
    return staff


async def has_second_factor(services: Services, staff: Staff) -> bool:
    """Whether an account has a second factor.

    Raises:
        ProblemError: 503, the database is away.
    """
    return await _factor(services, staff) is not None


async def _factor(services: Services, staff: Staff) -> SecondFactor | None:
    assert staff.id is not None
    async with reading(services.database) as db:
        return await factor_of(db, staff.id)


async def check_second_factor(services: Services, staff: Staff, otp: str, address: str) -> None:
    """Check the code of someone whose password was right; an account without a second factor needs none.

    Wrong codes count as failed log-ins, and per account wherever they come from: only someone who knows the password
    reaches this limit.

    Raises:
        ProblemError: 401, there is no code, or a wrong or used one; 429, too many; 503, the database is away.
    """
    factor = await _factor(services, staff)
    if factor is None:
        return
    if not otp.strip():
        raise unauthorized("otp_required", "This account needs a code of its authenticator app, as `otp`.")
    most = services.login_failures_per_min
    limits = (
        *_limits(services, staff.email, address),
        Limit(subject("otp", staff.email), most, Window.HOUR),
    )
    # One after the other, as passwords: a crowd's guesses would all begin below the limit.
    async with services.limiter.turn(limits[-1]):
        await _check_code(services, factor, otp, limits)


async def _check_code(services: Services, factor: SecondFactor, otp: str, limits: tuple[Limit, ...]) -> None:
    async with transaction(services.database) as db:
        await services.limiter.check(db, limits, _TOO_MANY_FAILURES)
        counts = await use_code(db, services.auth_secret, factor, otp, utc_now())
    if not counts:
        async with transaction(services.database) as db:
            await services.limiter.count(db, limits, _TOO_MANY_FAILURES)
        raise unauthorized("invalid_otp", "This code is wrong, or was used before.")
    async with reading(services.database) as db:
        await services.limiter.check(db, limits, _TOO_MANY_FAILURES)


def _limits(services: Services, email: str, address: str) -> tuple[Limit, Limit]:
    client, most = client_network(address), services.login_failures_per_min
    return (
        Limit(subject("login", email, client), most),
        Limit(subject("login-from", client), most * _ACCOUNTS_PER_CLIENT),
    )


async def start_log_in(services: Services, staff: Staff, address: str) -> str:
    """Record a log-in of someone who was authenticated, and return its token."""
    assert staff.id is not None
    now = utc_now()
    async with transaction(services.database) as db:
        log_in_id = await begin_log_in(db, staff.id, address, now)
    return staff_token(services.auth_secret, staff, log_in_id, now)
