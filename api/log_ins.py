"""Logging in, and the log-ins of a member of staff."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, Field

from api.auth import TOKEN_PATH, LoggedIn, staff_token
from api.errors import not_found, problems, unauthorized
from api.limits import ClientAddress, check, client_network, count, subject
from api.outages import reading, transaction
from api.schemas import composed
from api.services import Api, Services
from models import Staff, utc_now
from storage.catalogue import staff_with_hotel
from storage.limits import Limit
from storage.log_ins import LOG_IN_S, begin_log_in, end_log_in, log_ins_of

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
    services: Api, address: ClientAddress, form: Annotated[OAuth2PasswordRequestForm, Depends()]
) -> Token:
    """Log in with e-mail address and password."""
    staff = await authenticate(services, form.username, form.password, address)
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
    async with reading(services.database) as db:
        await check(db, limits, _TOO_MANY_FAILURES)
        found = await staff_with_hotel(db, email) if email.isprintable() and len(email) <= 320 else None
    staff = found[0] if found and found[0].active else None
    if not await services.passwords.match(staff.password_hash if staff else None, password) or staff is None:
        async with transaction(services.database) as db:
            await count(db, limits, _TOO_MANY_FAILURES)
        raise unauthorized("invalid_login", "E-mail address or password is wrong.")
    async with reading(services.database) as db:
        # Guesses may have failed at the same time: a right one among them must not reveal itself by a success.
        await check(db, limits, _TOO_MANY_FAILURES)
    return staff


def _limits(services: Services, email: str, address: str) -> tuple[Limit, Limit]:
    client, most = client_network(address), services.login_failures_per_min
    return (
        Limit(subject("login", email, client), most),
        Limit(subject("login-from", client), most * _ACCOUNTS_PER_CLIENT),
    )


async def start_log_in(services: Services, staff: Staff, address: str) -> str:
    """Record a log-in of somebody who was authenticated, and return its token."""
    assert staff.id is not None
    now = utc_now()
    async with transaction(services.database) as db:
        log_in_id = await begin_log_in(db, staff.id, address, now)
    return staff_token(services.auth_secret, staff, log_in_id, now)
