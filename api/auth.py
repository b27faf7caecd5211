"""Authentication: a guest with the token of one booking, or a member of a hotel's staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

import jwt
from fastapi import Depends, Path
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, OAuth2PasswordBearer

from api.errors import ProblemError, not_found, unauthorized
from api.outages import reading
from api.services import Api, Services
from api.views import BookingDetails
from domain.identifiers import is_access_token
from domain.roles import Role, may_decide, may_manage
from models import Hotel, Staff
from storage.courses import booking_with_course
from storage.log_ins import LOG_IN_S, logged_in_staff
from storage.staff_accounts import active_staff

TOKEN_PATH: Final = "/api/staff/auth/token/"  # noqa: S105  an address

_ALGORITHM: Final = "HS256"
_CLOCK_SKEW_S: Final = 10
_AUDIENCE: Final = "staff"
_SECOND_STEP: Final = "staff-second-step"
_SECOND_STEP_S: Final = 300

Slug = Annotated[str, Path(description="The hotel.", examples=["hotel-killarney"])]
BookingId = Annotated[str, Path(examples=["BK-7Q2M9-XKD4T-ZRW3H"])]

_guest_scheme = HTTPBearer(
    scheme_name="Guest", description="The `access_token` a booking was made with.", auto_error=False
)
_staff_scheme = OAuth2PasswordBearer(tokenUrl=TOKEN_PATH, scheme_name="Staff", auto_error=False)
_any_scheme = HTTPBearer(
    scheme_name="GuestOrStaff", description="A guest's or a staff member's token.", auto_error=False
)

GuestCredentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_guest_scheme)]
AnyCredentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_any_scheme)]


def is_plain(text: str) -> bool:
    """Whether text from an address can be looked up: PostgreSQL rejects NUL, and lone surrogates cannot be encoded."""
    return 0 < len(text) <= 255 and text.isprintable()


async def _guests_booking(
    services: Api, slug: Slug, booking_id: BookingId, credentials: GuestCredentials
) -> BookingDetails:
    token = credentials.credentials if credentials else ""
    # Only the holder of its token may learn whether a booking exists.
    if not is_access_token(services.auth_secret, booking_id, token):
        raise unauthorized("invalid_token", "Send the booking's access token as `Authorization: Bearer …`.")
    return await find(services, slug, booking_id)


async def find(services: Services, slug: str, booking_id: str) -> BookingDetails:
    """A booking of that hotel.

    Raises:
        ProblemError: 404, there is none; 503, the database is away.
    """
    if not is_plain(slug) or not is_plain(booking_id):
        raise not_found("booking")
    async with reading(services.database) as db:
        found = await booking_with_course(db, booking_id)
    if found is None or found[1].slug != slug:
        raise not_found("booking")
    return BookingDetails(*found)


GuestsBooking = Annotated[BookingDetails, Depends(_guests_booking)]
"""The booking named by the address, for the guest who holds its token."""


@dataclass(frozen=True)
class Colleague:
    """A member of staff, the hotel they work for, and the log-in they use."""

    staff: Staff
    hotel: Hotel
    has_second_factor: bool
    log_in_id: str

    @property
    def staff_id(self) -> int:
        """Their account's id."""
        assert self.staff.id is not None
        return self.staff.id

    @property
    def needs_second_factor(self) -> bool:
        """Whether they have to set up a second factor before they go on: the hotel requires it of managers."""
        required = self.hotel.managers_need_second_factor and may_manage(self.role)
        return required and not self.has_second_factor

    @property
    def role(self) -> Role:
        """Their role at the hotel."""
        return Role(self.staff.role)


def staff_token(auth_secret: str, staff: Staff, log_in_id: str, now: datetime) -> str:
    """The token of one log-in. It identifies the account; the role is looked up.

    It is valid for eight hours, or until the log-in is ended or the credentials change.
    """
    claims = {
        "sub": str(staff.id),
        "jti": log_in_id,
        "ver": staff.credentials_version,
        "aud": _AUDIENCE,
        "iat": now,
        "exp": now + timedelta(seconds=LOG_IN_S),
    }
    return jwt.encode(claims, auth_secret, algorithm=_ALGORITHM)


def second_step_token(auth_secret: str, staff: Staff, now: datetime) -> str:
    """A token that says that the password was right, for the form that asks for the second factor."""
    claims = {
        "sub": str(staff.id),
        "ver": staff.credentials_version,
        "aud": _SECOND_STEP,
        "exp": now + timedelta(seconds=_SECOND_STEP_S),
    }
    return jwt.encode(claims, auth_secret, algorithm=_ALGORITHM)


async def staff_of_second_step(services: Services, token: str) -> Staff | None:
    """The account of such a token; None after five minutes, or when its credentials have changed."""
    try:
        claims = jwt.decode(token, services.auth_secret, algorithms=[_ALGORITHM], audience=_SECOND_STEP)
    except jwt.InvalidTokenError:
        return None
    async with reading(services.database) as db:
        found = await active_staff(db, int(claims["sub"]))
    return found[0] if found and found[0].credentials_version == claims["ver"] else None


def has_run_out(auth_secret: str, token: str) -> bool:
    """Whether a staff token was valid and has expired."""
    try:
        jwt.decode(token, auth_secret, algorithms=[_ALGORITHM], audience=_AUDIENCE)
    except jwt.ExpiredSignatureError:
        return True
    except jwt.InvalidTokenError:
        return False
    return False


async def colleague_of(services: Services, token: str) -> Colleague | None:
    """Return the holder of a staff token.

    Returns:
        None if the token is invalid or expired, its log-in was ended, or the credentials have changed since.
    """
    try:
        claims = jwt.decode(
            token,
            services.auth_secret,
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            # Another API process may have issued it, by a clock that is ahead.
            leeway=_CLOCK_SKEW_S,
            options={"require": ["exp", "sub", "jti", "ver"]},
        )
    except jwt.InvalidTokenError:
        return None
    async with reading(services.database) as db:
        found = await logged_in_staff(db, int(claims["sub"]), claims["jti"])
    if found is None or found[0].credentials_version != claims["ver"]:
        return None
    return Colleague(*found, log_in_id=claims["jti"])


async def _logged_in(services: Api, token: Annotated[str | None, Depends(_staff_scheme)]) -> Colleague:
    colleague = await colleague_of(services, token) if token else None
    if colleague is None:
        raise unauthorized("invalid_token", f"Log in at {TOKEN_PATH} and send the token as a bearer token.")
    return colleague


LoggedIn = Annotated[Colleague, Depends(_logged_in)]
"""Any logged-in member of staff."""


async def _own_hotel(slug: Slug, colleague: LoggedIn) -> Colleague:
    if colleague.hotel.slug != slug:
        raise not_found("hotel")
    if colleague.needs_second_factor:
        detail = (
            "Your hotel requires a second factor of managers: set it up in the console, under Your account."
        )
        raise ProblemError(403, "second_factor_needed", detail)
    return colleague


async def _decider(colleague: OwnHotel) -> Colleague:
    if not may_decide(colleague.role):
        raise _forbidden("This needs an approver or manager.")
    return colleague


async def _manager(colleague: OwnHotel) -> Colleague:
    if not may_manage(colleague.role):
        raise _forbidden("This needs a manager.")
    return colleague


def _forbidden(detail: str) -> ProblemError:
    return ProblemError(403, "forbidden", detail)


OwnHotel = Annotated[Colleague, Depends(_own_hotel)]
"""Staff of the hotel named by the address."""

Decider = Annotated[Colleague, Depends(_decider)]
Manager = Annotated[Colleague, Depends(_manager)]
