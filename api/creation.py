"""Creating and submitting bookings, idempotently."""

from __future__ import annotations

import hashlib
from asyncio import Semaphore
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from fastapi.responses import JSONResponse

from api.auth import find
from api.availability import require_room, sold_out
from api.errors import ProblemError, conflict, invalid
from api.limits import subject
from api.outages import mapped_outages, reading, single_statement, transaction
from api.quotes import quote, refuse_check_in
from api.schemas import NewBooking
from api.services import Services
from api.views import BookingDetails, CreatedBooking, show
from api.workflow_calls import OUTCOME_PATIENCE_S, admitted, worker_away, worker_polls
from dispatch.client import submit_booking
from domain.booking import Status
from domain.identifiers import access_token, new_booking_id
from domain.mailbox import mailbox_of
from models import Booking, Hotel, RoomType, utc_now
from storage.courses import BookingCourse
from storage.creation import (
    CreationBasis,
    creation_basis,
    finish_key,
    insert_draft,
    offered_terms,
    release_key,
    submission_terms,
    take_over_key,
)
from storage.limits import Limit, Window
from storage.tables import IdempotentRequest

_UNDER_WAY_FOR: Final = timedelta(seconds=25)
"""A creation without an answer by then was interrupted; a repeat may take it over."""

_IN_FLIGHT_RETRY_S: Final = "1"

_MAILBOX_SHARE: Final = 3
_TOO_MANY: Final = (
    "Too many bookings were requested within an hour; wait a little, or ask the hotel directly."
)


Submission: TypeAlias = Callable[[Services, BookingDetails, str], Awaitable[BookingDetails]]


class _KeyTakenError(Exception):
    """Another request claimed the key meanwhile."""


@dataclass(frozen=True)
class BookingRequest:
    """A booking to be created.

    Args:
        slug: the hotel's.
        key: the Idempotency-Key, if one was sent.
        client: the network of the request.
    """

    slug: str
    new_booking: NewBooking
    key: str | None
    client: str


async def create(services: Services, booking_request: BookingRequest) -> JSONResponse:
    """Create a booking and, unless only a draft is wanted, submit it.

    Returns:
        201 with the booking and its token; a repeat of a key gets the same answer.

    Raises:
        ProblemError: 404, 409, 422, 429 or 503. After a 503 the same key finishes the booking.
    """
    if booking_request.key is None:
        # A repeat of a key is answered above the limit, too.
        services.limiter.refuse_reached(_limits(services, booking_request), _TOO_MANY)
    while True:
        basis = await _basis(services, booking_request)
        request = basis.earlier
        if request is None:
            try:
                found = await _draft(services, booking_request, basis)
            except _KeyTakenError:
                continue
            request, go_on = _claim(booking_request, found.booking), start
            if request is None:
                return _created(services, await _finish(services, found, booking_request, go_on))
        elif request.response is not None:
            return _created(services, request.response)
        else:
            found, go_on = await _take_over(services, request, booking_request), submit
        return await _under_key(services, request, found, booking_request, go_on)


async def _under_key(
    services: Services,
    request: IdempotentRequest,
    found: BookingDetails,
    booking_request: BookingRequest,
    go_on: Submission,
) -> JSONResponse:
    try:
        response = await _finish(services, found, booking_request, go_on)
    except ProblemError:
        await _let_go(services, request)
        raise
    async with single_statement(services.database) as db:
        await finish_key(db, request, response)
    return _created(services, response)


async def _let_go(services: Services, request: IdempotentRequest) -> None:
    """Let a repeat finish at once; while the database is away it has to wait until the claim expires."""
    try:
        async with transaction(services.database) as db:
            await release_key(db, request)
    except ProblemError:
        return


def _created(services: Services, booking: dict[str, Any]) -> JSONResponse:
    # The token is derived, not kept: see domain/identifiers.py.
    token = access_token(services.auth_secret, booking["booking_id"])
    return JSONResponse(CreatedBooking(**booking, access_token=token).model_dump(mode="json"), 201)


async def _finish(
    services: Services, found: BookingDetails, booking_request: BookingRequest, go_on: Submission
) -> dict[str, Any]:
    if booking_request.new_booking.submit:
        found = await go_on(services, found, booking_request.client)
    else:
        found = await find(services, booking_request.slug, found.booking.booking_id)
    return show(found).model_dump(mode="json")


# --- keys -----------------------------------------------------------------------------------------------


async def _basis(services: Services, booking_request: BookingRequest) -> CreationBasis:
    new_booking = booking_request.new_booking
    days = (new_booking.check_in, new_booking.check_out)
    async with reading(services.database) as db:
        basis = await creation_basis(
            db, booking_request.slug, new_booking.room_type, days, booking_request.key, utc_now()
        )
    if basis is None:
        raise ProblemError(404, "not_found", "There is no such hotel.")
    if basis.earlier is not None and basis.earlier.body_hash != _body_hash(new_booking):
        detail = "This Idempotency-Key was used for another booking; use a new one for each booking."
        raise ProblemError(422, "idempotency_key_reused", detail)
    return basis


async def _take_over(
    services: Services, request: IdempotentRequest, booking_request: BookingRequest
) -> BookingDetails:
    now = utc_now()
    async with transaction(services.database) as db:
        taken = await take_over_key(db, request, now, now + _UNDER_WAY_FOR)
    found = await find(services, booking_request.slug, request.booking_id)
    if taken:
        return found
    problem = conflict(
        "idempotency_key_in_use",
        "The first request with this Idempotency-Key is still under way; repeat it shortly.",
        show(found).model_dump(mode="json"),
    )
    problem.headers["Retry-After"] = _IN_FLIGHT_RETRY_S
    raise problem


def _claim(booking_request: BookingRequest, booking: Booking) -> IdempotentRequest | None:
    if booking_request.key is None:
        return None
    return IdempotentRequest(
        hotel_id=booking.hotel_id,
        key=booking_request.key,
        body_hash=_body_hash(booking_request.new_booking),
        booking_id=booking.booking_id,
        locked_until=utc_now() + _UNDER_WAY_FOR,
    )


def _body_hash(new_booking: NewBooking) -> str:
    # Hashed after parsing: the order of members and white space make no other request.
    return hashlib.sha256(new_booking.model_dump_json().encode()).hexdigest()


# --- drafts ---------------------------------------------------------------------------------------------


async def _draft(services: Services, booking_request: BookingRequest, basis: CreationBasis) -> BookingDetails:
    hotel, room_type = basis.hotel, basis.room_type
    if room_type is None:
        raise invalid("room_type", "This hotel has no such room type; its page lists the room types.")
    booking = _priced(hotel, room_type, booking_request.new_booking, utc_now())
    if basis.free <= 0:
        raise sold_out()
    limits = _limits(services, booking_request)
    async with services.limiter.counted(transaction(services.database), limits, _TOO_MANY) as db:
        if not await insert_draft(db, booking, _claim(booking_request, booking)):
            raise _KeyTakenError
    return BookingDetails(booking, hotel, room_type, BookingCourse())


def _limits(services: Services, booking_request: BookingRequest) -> list[Limit]:
    """The limits on bookings per client and per e-mail address, which may be a stranger's."""
    most = services.bookings_per_hour
    mailbox = mailbox_of(booking_request.new_booking.guest.email)
    per_mailbox = max(1, most // _MAILBOX_SHARE) if most else 0
    return [
        Limit(subject("booking-from", booking_request.client), most, Window.HOUR),
        Limit(subject("booking-for", mailbox), per_mailbox, Window.HOUR),
    ]


def _priced(hotel: Hotel, room_type: RoomType, new_booking: NewBooking, now: datetime) -> Booking:
    assert hotel.id is not None
    assert room_type.id is not None
    total = quote(hotel, room_type, new_booking, now)
    guest = new_booking.guest
    return Booking(
        booking_id=new_booking_id(),
        hotel_id=hotel.id,
        room_type_id=room_type.id,
        check_in=new_booking.check_in,
        check_out=new_booking.check_out,
        adults=new_booking.adults,
        children=new_booking.children,
        guest_first_name=guest.first_name,
        guest_last_name=guest.last_name,
        guest_email=guest.email,
        guest_phone=guest.phone,
        special_requests=new_booking.special_requests,
        amount_minor=total.minor,
        currency=total.currency,
        **offered_terms(hotel, new_booking.check_in),
        created_at=now,
        updated_at=now,
    )


# --- submission -----------------------------------------------------------------------------------------


async def submit(services: Services, found: BookingDetails, client: str) -> BookingDetails:
    """Submit a draft: its workflow starts. A booking that was submitted before stays as it is.

    Args:
        client: as for `start`.

    Returns:
        The booking after that.

    Raises:
        ProblemError: 409, sold out; 422, too late for this stay; 503, Temporal, its workers or the database are away.
    """
    if Status(found.booking.status) is not Status.DRAFT:
        return found
    require_room(found)
    booking = found.booking
    refuse_check_in(booking.check_in, booking.timezone, booking.cutoff_at, utc_now())
    return await start(services, found, client)


async def start(services: Services, found: BookingDetails, client: str) -> BookingDetails:
    """Start the workflow of a draft for which there is a room and time enough.

    Args:
        client: the network of the request. It takes one of the client's own places before one of those that all share.

    Returns:
        The booking after that.

    Raises:
        ProblemError: 503, Temporal, its workers or the database are away.
    """
    terms = submission_terms(
        found.booking,
        found.hotel.slug,
        authorization_margin_s=services.authorization_margin_s,
        payment_poll_s=services.payment_poll_s,
    )
    async with admitted(*_own_places(services, client), services.submitting):
        with mapped_outages(), suppress(TimeoutError):
            await submit_booking(services.temporal, terms, services.task_queue, patience_s=OUTCOME_PATIENCE_S)
    found = await find(services, found.hotel.slug, found.booking.booking_id)
    if Status(found.booking.status) is Status.DRAFT:
        await worker_polls(services)
        # Temporal answers: the workflow has been started and will submit the booking.
        raise worker_away()
    return found


def _own_places(services: Services, client: str) -> Sequence[Semaphore]:
    """The places for the client's own bookings; without a limit on bookings, a client may be a crowd's proxy."""
    return (services.client_places.of(client),) if services.bookings_per_hour else ()
