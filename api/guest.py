"""The guests' API: look at a hotel, book, pay, follow a booking, cancel it."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Body, Header, Query, Response

from api import creation
from api.auth import BookingId, GuestsBooking, Slug, find, is_plain
from api.availability import require_room, sold_out
from api.decisions import DecisionInput, decide
from api.errors import ProblemError, conflict, invalid, not_found, problems
from api.limits import Client, subject
from api.offers import offers, show_offers
from api.outages import reading, single_statement, temporal_away, transaction
from api.schemas import NewBooking, SessionIn, StayQuery
from api.services import Api, Services
from api.views import (
    AvailabilityView,
    BookingDetails,
    BookingView,
    CreatedBooking,
    DecidedBooking,
    HotelView,
    PaymentSessionView,
    PaymentView,
    show,
    show_hotel,
    show_payment,
)
from api.workflow_calls import check_payment, open_session
from dispatch.errors import WorkflowGoneError
from domain.booking import UNDER_DECISION, Decision, Status
from domain.messages.answers import SessionRequest
from domain.money import Money
from models import ReturnAddresses, utc_now
from storage.bookings import keep_return_addresses, owns_session, session_url
from storage.catalogue import hotel_by_slug, room_types
from storage.limits import Limit, window_number

router = APIRouter(prefix="/api/public/hotel", tags=["guests"])

_QUESTION_SHARED_S: Final = 3
"""The seconds within which all payment checks of a booking share one question to Stripe."""

_BOOKING: Final = "/{slug}/room-bookings/{booking_id}"


@router.get("/{slug}/", responses=problems(404))
async def hotel(services: Api, slug: Slug) -> HotelView:
    """A hotel's rooms, prices and cancellation policy."""
    if not is_plain(slug):
        raise not_found("hotel")
    async with reading(services.database) as db:
        found = await hotel_by_slug(db, slug)
        if found is None or found.id is None:
            raise not_found("hotel")
        return show_hotel(found, await room_types(db, found.id))


@router.get("/{slug}/availability/", responses=problems(404, 422))
async def availability(services: Api, slug: Slug, stay: Annotated[StayQuery, Query()]) -> AvailabilityView:
    """The rooms left for a stay, and its price. Asking reserves no room."""
    if not is_plain(slug):
        raise not_found("hotel")
    async with reading(services.database) as db:
        found = await hotel_by_slug(db, slug)
        if found is None or found.id is None:
            raise not_found("hotel")
        rooms = await room_types(db, found.id)
        return show_offers(stay, await offers(db, found, rooms, stay, utc_now()))


@router.post(
    "/{slug}/room-bookings/",
    status_code=201,
    response_model=CreatedBooking,
    responses=problems(404, 409, 413, 422, 429),
)
async def book(
    services: Api,
    client: Client,
    slug: Slug,
    new_booking: NewBooking,
    idempotency_key: Annotated[
        str | None,
        Header(description="Makes a repeat safe for 24 hours: the same body gets the same answer."),
    ] = None,
) -> Response:
    """Create a booking. The hotel sets the price; the card is held later, on the payment page."""
    if not is_plain(slug):
        raise not_found("hotel")
    if idempotency_key is not None and not is_plain(idempotency_key):
        raise invalid("Idempotency-Key", "Send 1 to 255 printable characters.")
    return await creation.create(
        services, creation.BookingRequest(slug, new_booking, idempotency_key, client)
    )


@router.post(f"{_BOOKING}/submit/", responses=problems(401, 404, 409, 422))
async def submit(services: Api, client: Client, found: GuestsBooking) -> BookingView:
    """Submit a draft; the payment window starts now."""
    return show(await creation.submit(services, found, client))


@router.get(f"{_BOOKING}/", responses=problems(401, 404))
async def look(found: GuestsBooking) -> BookingView:
    """A booking's present state."""
    return show(found)


@router.post(
    f"{_BOOKING}/cancel/",
    response_model=DecidedBooking,
    responses={202: {"model": DecidedBooking}, **problems(401, 404, 409)},
)
async def cancel(services: Api, found: GuestsBooking) -> Response:
    """Cancel: free of charge before confirmation; afterwards the hotel's policy determines the refund."""
    return await decide(services, found, DecisionInput(Decision.CANCEL))


@router.post(f"{_BOOKING}/payment/session/", responses=problems(401, 404, 409, 413, 422, 429))
async def payment_session(
    services: Api, found: GuestsBooking, wishes: Annotated[SessionIn | None, Body()] = None
) -> PaymentSessionView:
    """Open the payment page, or return the open one."""
    return await open_payment_page(services, found, wishes or SessionIn())


async def open_payment_page(
    services: Services, found: BookingDetails, wishes: SessionIn
) -> PaymentSessionView:
    """Open a booking's payment page, or return the open one.

    Raises:
        ProblemError: 409, no payment is due or no room is left; 429; 503, Temporal, its workers or Stripe are away.
    """
    row = found.booking
    if Status(row.status) is not Status.PENDING_PAYMENT:
        raise await _not_payable(services, found)
    require_room(found)
    request = await _count_and_keep(services, row.booking_id, wishes)
    try:
        answer = await open_session(services, row.booking_id, request)
    except WorkflowGoneError:
        raise await _workflow_gone(services, found) from None
    if not answer.payable:
        raise await _not_payable(services, found)
    async with single_statement(services.database) as db:
        url = await session_url(db, answer.session_id)
    assert url is not None, "a session is written before its workflow knows it"
    return PaymentSessionView(
        session_id=answer.session_id,
        payment_url=url,
        status="created" if answer.created else "existing",
        amount=str(Money(row.amount_minor, row.currency)),
        currency=row.currency,
    )


async def _count_and_keep(services: Services, booking_id: str, wishes: SessionIn) -> SessionRequest:
    limit = Limit(f"session:{booking_id}", services.sessions_per_min)
    detail = "The payment page was requested too often; wait a little."
    async with services.limiter.counted(single_statement(services.database), [limit], detail):
        pass
    if wishes == SessionIn():
        return SessionRequest()
    addresses = ReturnAddresses(
        booking_id=booking_id, success_url=wishes.success_url, cancel_url=wishes.cancel_url
    )
    async with transaction(services.database) as db:
        return SessionRequest(await keep_return_addresses(db, addresses))


async def _workflow_gone(services: Services, found: BookingDetails) -> ProblemError:
    found = await find(services, found.hotel.slug, found.booking.booking_id)
    if Status(found.booking.status) is Status.PENDING_PAYMENT:
        # A booking that is not over has lost its workflow; reconciliation starts a new one.
        return temporal_away()
    return await _not_payable(services, found)


async def _not_payable(services: Services, found: BookingDetails) -> ProblemError:
    found = await find(services, found.hotel.slug, found.booking.booking_id)
    view = show(found)
    if found.booking.sold_out_at is not None and view.status is Status.PENDING_PAYMENT:
        return sold_out(view.model_dump(mode="json"))
    detail = "No payment page can be opened for this booking now; `booking` shows its status."
    return conflict("not_payable", detail, view.model_dump(mode="json"))


@router.get(f"{_BOOKING}/payment/verify/", responses=problems(404, 422, 429))
async def verify(
    services: Api,
    slug: Slug,
    booking_id: BookingId,
    session_id: Annotated[str, Query(min_length=1, max_length=255)],
    client: Client,
) -> PaymentView:
    """The payment's state, as read from Stripe. Needs no token and shows nothing about the guest."""
    limit = Limit(subject("verify", client), services.verifications_per_min)
    detail = "Your network has checked payments too often; wait a little."
    async with services.limiter.counted(single_statement(services.database), [limit], detail):
        pass
    found = await find(services, slug, booking_id)
    if not is_plain(session_id):
        raise not_found("payment session")
    async with reading(services.database) as db:
        if not await owns_session(db, booking_id, session_id):
            raise not_found("payment session")
    return show_payment((await ask_stripe(services, found)).booking)


async def ask_stripe(services: Services, found: BookingDetails) -> BookingDetails:
    """Read an unfinished booking's payment from Stripe, and return the booking after that.

    Above the limit per booking the row answers, so that other callers never lock out the guest.

    Raises:
        ProblemError: 503, Temporal, its workers, Stripe or the database are away.
    """
    booking_id = found.booking.booking_id
    if Status(found.booking.status) not in UNDER_DECISION:
        return found
    limit = Limit(f"check:{booking_id}", services.verifications_per_min)
    detail = "This booking's payment was checked too often; its row answers."
    try:
        async with services.limiter.counted(transaction(services.database), [limit], detail) as db:
            window = await window_number(db, _QUESTION_SHARED_S)
    except ProblemError as refusal:
        if refusal.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return found
    # A workflow that has ended meanwhile has written its result to the row.
    with suppress(WorkflowGoneError):
        await check_payment(services, booking_id, window)
    return await find(services, found.hotel.slug, found.booking.booking_id)
