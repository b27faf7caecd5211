"""The staff's API: read requests, decide."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Query, Response
from pydantic import BeforeValidator

from api.auth import BookingId, Decider, Manager, OwnHotel, Slug, find
from api.cursors import decode, encode
from api.decisions import DecisionInput, cancellation_by, decide
from api.errors import problems
from api.outages import reading
from api.schemas import CancelIn, DeclineIn, SearchText
from api.services import Api
from api.views import BookingDetails, BookingPage, DecidedStaffBooking, StaffBooking, show_to_staff
from domain.booking import Decision, Status
from storage.booking_list import BookingFilter, Sort, list_bookings, position
from storage.courses import courses_of

router = APIRouter(tags=["staff"])

_BOOKINGS: Final = "/api/staff/hotel/{slug}/room-bookings"
_PAGE_LIMIT: Final = 100
_PAGE_SIZE: Final = 50
_DECIDED: Final[dict[int | str, dict[str, Any]]] = {202: {"model": DecidedStaffBooking}}


def _blank_is(default: Any) -> BeforeValidator:
    # Forms also send fields that were left blank.
    return BeforeValidator(lambda value: default if value == "" else value)


@router.get(f"{_BOOKINGS}/", responses=problems(401, 404, 422))
async def queue(
    services: Api,
    colleague: OwnHotel,
    status: Annotated[
        list[Annotated[Status | None, _blank_is(None)]] | None, Query(description="Several may be given.")
    ] = None,
    q: Annotated[
        SearchText | None,
        Query(description="Names, e-mail addresses, booking ids, dates and amounts, or their beginnings."),
    ] = None,
    check_in_from: Annotated[
        date | None, Query(description="The first day of check-in."), _blank_is(None)
    ] = None,
    check_in_to: Annotated[
        date | None, Query(description="The last day of check-in."), _blank_is(None)
    ] = None,
    # Not by risk: viewers must not learn of it.
    sort: Annotated[
        Literal[Sort.DEADLINE, Sort.CREATED, Sort.CHECK_IN], _blank_is(Sort.DEADLINE)
    ] = Sort.DEADLINE,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE_LIMIT), _blank_is(_PAGE_SIZE)] = _PAGE_SIZE,
) -> BookingPage:
    """The hotel's bookings, those to be decided first."""
    assert colleague.hotel.id is not None
    filters = BookingFilter(
        statuses=[each for each in status or () if each is not None],
        text=(q or "").strip() or None,
        check_in_from=check_in_from,
        check_in_to=check_in_to,
        sort=sort,
        after=decode(cursor, sort) if cursor else None,
        limit=limit + 1,
    )
    async with reading(services.database) as db:
        rows = await list_bookings(db, colleague.hotel.id, filters)
        courses = await courses_of(db, [booking.booking_id for booking, _ in rows[:limit]])
        page = [
            BookingDetails(booking, colleague.hotel, room, courses[booking.booking_id])
            for booking, room in rows[:limit]
        ]
        items = await show_to_staff(db, page)
    more = len(rows) > limit
    return BookingPage(
        items=items, next_cursor=encode(position(page[-1].booking, sort), sort) if more else None
    )


@router.get(f"{_BOOKINGS}/{{booking_id}}/", responses=problems(401, 404))
async def look(services: Api, colleague: OwnHotel, slug: Slug, booking_id: BookingId) -> StaffBooking:
    """One booking."""
    del colleague
    found = await find(services, slug, booking_id)
    async with reading(services.database) as db:
        return (await show_to_staff(db, [found]))[0]


@router.post(
    f"{_BOOKINGS}/{{booking_id}}/approve/",
    response_model=DecidedStaffBooking,
    responses=_DECIDED | problems(401, 403, 404, 409),
)
async def approve(services: Api, colleague: Decider, slug: Slug, booking_id: BookingId) -> Response:
    """Approve the booking: the hold is captured."""
    found = await find(services, slug, booking_id)
    return await decide(services, found, DecisionInput(Decision.APPROVE, colleague.staff))


@router.post(
    f"{_BOOKINGS}/{{booking_id}}/decline/",
    response_model=DecidedStaffBooking,
    responses=_DECIDED | problems(401, 403, 404, 409, 413, 422),
)
async def decline(
    services: Api,
    colleague: Decider,
    slug: Slug,
    booking_id: BookingId,
    why: Annotated[DeclineIn | None, Body()] = None,
) -> Response:
    """Decline the booking: the hold is released, and the guest receives the reason."""
    found = await find(services, slug, booking_id)
    why = why or DeclineIn()
    return await decide(
        services, found, DecisionInput(Decision.DECLINE, colleague.staff, why.reason_code, why.reason_note)
    )


@router.post(
    f"{_BOOKINGS}/{{booking_id}}/cancel/",
    response_model=DecidedStaffBooking,
    responses=_DECIDED | problems(401, 403, 404, 409, 413, 422),
)
async def cancel(
    services: Api,
    colleague: Manager,
    slug: Slug,
    booking_id: BookingId,
    wishes: Annotated[CancelIn | None, Body()] = None,
) -> Response:
    """Cancel a confirmed booking until check-out; the refund is everything, or the amount the manager chooses."""
    found = await find(services, slug, booking_id)
    return await decide(services, found, cancellation_by(colleague.staff, found, wishes or CancelIn()))
