"""A hotel's booking page: rooms, the price for the chosen nights, and the booking form."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from api.auth import Slug, is_plain
from api.availability import SOLD_OUT
from api.creation import BookingRequest, create
from api.errors import ProblemError, not_found
from api.limits import Client
from api.offers import offers
from api.outages import reading
from api.pages.guest.access import booking_path, let_in
from api.pages.guest.form import LABELS, in_order, read_booking, read_stay, refusals, values_of
from api.pages.routing import page_router
from api.pages.site import Page, ThisPage
from api.quotes import quote
from api.schemas import NewBooking
from api.services import Api, Services
from domain.cancellation import CancellationPolicy
from domain.deadlines import (
    NIGHTS_LONGEST,
    cutoff_at,
    hotel_today,
    last_answer_at,
    local_hour,
    nights,
    payment_window_end,
)
from models import Hotel, RoomType, utc_now
from storage.catalogue import hotel_by_slug, room_types
from wording.guest import answer_limit, cancelling_notice
from wording.values import count_in_words, instant_in_words, money_in_words

router = page_router()

_KEY_BYTES: Final = 18
_KEY: Final = re.compile(r"page-[A-Za-z0-9_-]{24}")
_LAST_REQUEST_COOKIE: Final = "sent"
_COOKIE_LIFETIME_S: Final = 86400
_UNAVAILABLE: Final = (
    "We cannot take your request at the moment. Your entries are kept: please send them again in a minute. "
    "It will not be booked twice."
)

_SOLD_OUT: Final = f"{SOLD_OUT} Choose another room or other dates."
_OTHER_PRICE: Final = (
    "The price has changed since you saw it. Please check it, and send your request again if you agree."
)
_SENT_BEFORE: Final = (
    "You have already sent this request. Send it again only if you want a second, identical booking."
)
_USED_BEFORE: Final = "You have already booked with this form. Send it again if you want another booking."


@dataclass(frozen=True)
class HotelRooms:
    """A hotel and its rooms."""

    hotel: Hotel
    rooms: Sequence[RoomType]

    @property
    def policy(self) -> CancellationPolicy:
        """The hotel's cancellation policy."""
        return self.hotel.cancellation_policy


@dataclass(frozen=True)
class StayOnPage:
    """The rooms available for the chosen nights, and the price or the reason why there is none."""

    rooms: Sequence[Mapping[str, Any]]
    price: Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """A form to show.

    Args:
        key: makes a repeat safe.
        errors: the texts of errors, by field.
        notice: a problem that concerns no single field.
        sent_before: the address of an identical booking that the visitor has made before.
        again: that booking's key: with it, the form makes a second booking.
    """

    values: Mapping[str, str]
    key: str
    errors: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""
    sent_before: str = ""
    again: str = ""


@dataclass(frozen=True)
class LastRequest:
    """The visitor's last request, stored in a cookie.

    The back button shows a form again under a new key: the key alone would not reveal a repeated request.
    """

    digest: str = ""
    key: str = ""
    booking_id: str = ""

    @classmethod
    def read(cls, cookie: str) -> LastRequest:
        """Read the cookie; an invalid one counts as empty."""
        parts = cookie.split("|")
        return cls(*parts) if len(parts) == 3 and is_plain(parts[2]) else cls()

    def written(self) -> str:
        """The cookie's value."""
        return "|".join((self.digest, self.key, self.booking_id))


@router.get("/hotels/{slug}")
async def without_slash(page: ThisPage, slug: Slug) -> Response:
    """Redirect to the address with its slash."""
    if not is_plain(slug):
        raise not_found("hotel")
    return page.redirect(f"/hotels/{slug}/")


@router.get("/hotels/{slug}/")
async def booking_page(page: ThisPage, services: Api, request: Request, slug: Slug) -> Response:
    """Show rooms and the form; the address may fill in its fields."""
    hotel_rooms = await _hotel_rooms(services, slug)
    return await _show(page, services, hotel_rooms, Form(values_of(request.query_params), _new_key()))


@router.get("/hotels/{slug}/price/")
async def price(page: ThisPage, services: Api, request: Request, slug: Slug) -> Response:
    """The price of the stay in the form, and the rooms available then, as parts of the page."""
    hotel_rooms = await _hotel_rooms(services, slug)
    values = values_of(request.query_params)
    stay = await _stay_on_page(services, hotel_rooms, values)
    return page.show("guest/_stay.html", price=stay.price, rooms=stay.rooms, values=values)


@router.post("/hotels/{slug}/")
async def book(page: ThisPage, services: Api, client: Client, slug: Slug) -> Response:
    """Create a booking and redirect to its page; the same form sent twice leads to the same booking."""
    fields = await page.form()
    hotel_rooms = await _hotel_rooms(services, slug)
    values, key = values_of(fields), fields.get("key", "")
    key = key if _KEY.fullmatch(key) else _new_key()
    if fields.get("do") == "price":
        return await _show(page, services, hotel_rooms, Form(values, key))
    new_booking = read_booking(values)
    if isinstance(new_booking, dict):
        errors = in_order(_refusals_of_stay(hotel_rooms, values) | new_booking)
        return await _show(page, services, hotel_rooms, Form(values, key, errors), 422)
    last_request = LastRequest.read(page.cookie(_LAST_REQUEST_COOKIE))
    if last_request.digest == _digest(new_booking) and last_request.key not in (key, fields.get("again")):
        form = Form(
            values,
            key,
            notice=_SENT_BEFORE,
            sent_before=booking_path(last_request.booking_id),
            again=last_request.key,
        )
        return await _show(page, services, hotel_rooms, form, 409)
    if fields.get("total") and _total(hotel_rooms, new_booking) not in (None, fields["total"]):
        form = Form(values, key, notice=_OTHER_PRICE)
        return await _show(page, services, hotel_rooms, form, 409)
    try:
        created = await create(services, BookingRequest(slug, new_booking, key, client))
    except ProblemError as problem:
        return await _not_made(page, services, hotel_rooms, Form(values, key), problem)
    booking_id = json.loads(bytes(created.body))["booking_id"]
    response = let_in(page, services, booking_id)
    value = LastRequest(_digest(new_booking), key, booking_id).written()
    page.set_cookie(
        response, _LAST_REQUEST_COOKIE, value, path=f"/hotels/{slug}/", max_age_s=_COOKIE_LIFETIME_S
    )
    return response


async def _not_made(
    page: Page, services: Services, hotel_rooms: HotelRooms, form: Form, problem: ProblemError
) -> Response:
    values, key = form.values, form.key

    async def show_again(form: Form, status: int) -> Response:
        return await _show(page, services, hotel_rooms, form, status, problem.headers)

    match problem.code:
        case "idempotency_key_in_use":
            # The first request for this booking is still being handled; the booking's page shows its progress.
            return let_in(page, services, problem.members["booking"]["booking_id"])
        case "idempotency_key_reused":
            return await show_again(Form(values, _new_key(), notice=_USED_BEFORE), 409)
        case "sold_out":
            # With a new key: the draft may have been created.
            return await show_again(Form(values, _new_key(), {"room_type": _SOLD_OUT}), 409)
        case _ if problem.status == 503:
            return await show_again(Form(values, key, notice=_UNAVAILABLE), 503)
        case _ if problem.status == 429:
            return await show_again(Form(values, key, notice=problem.detail), 429)
        case _ if problem.status == 422:
            return await show_again(Form(values, key, refusals(problem.members)), 422)
        case _:
            raise problem


async def _show(
    page: Page,
    services: Services,
    hotel_rooms: HotelRooms,
    form: Form,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    hotel = hotel_rooms.hotel
    stay = await _stay_on_page(services, hotel_rooms, form.values)
    return page.show(
        "guest/hotel.html",
        status,
        headers,
        hotel=hotel,
        rooms=stay.rooms,
        values=form.values,
        policy=hotel_rooms.policy.in_words(),
        answers_within=answer_limit(hotel.approval_sla_s),
        most_nights=NIGHTS_LONGEST,
        most_guests=max((room.max_guests for room in hotel_rooms.rooms), default=1),
        today=hotel_today(utc_now(), hotel.timezone).isoformat(),
        form=form,
        labels=LABELS,
        price=stay.price,
    )


async def _stay_on_page(services: Services, hotel_rooms: HotelRooms, values: Mapping[str, str]) -> StayOnPage:
    """List the available rooms, and the price; without dates every room, by the night."""
    hotel, price = hotel_rooms.hotel, _price(hotel_rooms, values)
    stay = read_stay(values)
    try:
        async with reading(services.database) as db:
            found = await offers(db, hotel, hotel_rooms.rooms, stay, utc_now()) if stay else None
    except ProblemError as problem:
        if problem.status != 422:
            raise
        found = None
    if stay is None or found is None:
        per_night = [(room, room.price_per_night_minor) for room in hotel_rooms.rooms]
        return StayOnPage([_room(hotel, room, minor, "a night") for room, minor in per_night], price)
    free = [offer for offer in found if offer.free > 0]
    count = count_in_words(nights(stay.check_in, stay.check_out), "night")
    if not price["missing"] and all(offer.room_type.code != values["room_type"] for offer in free):
        price = {"missing": _SOLD_OUT}
    return StayOnPage(
        [_room(hotel, offer.room_type, offer.total.minor, f"for {count}") for offer in free], price
    )


def _room(hotel: Hotel, room: RoomType, minor: int, covers: str) -> dict[str, Any]:
    return {
        "code": room.code,
        "name": room.name,
        "guests": count_in_words(room.max_guests, "guest"),
        "price": money_in_words(minor, hotel.currency),
        "covers": covers,
    }


def _total(hotel_rooms: HotelRooms, new_booking: NewBooking) -> str | None:
    """A booking's present total, in the form's notation; None without a price."""
    room = next((room for room in hotel_rooms.rooms if room.code == new_booking.room_type), None)
    try:
        return str(quote(hotel_rooms.hotel, room, new_booking, utc_now()).minor) if room else None
    except ProblemError:
        return None


def _price(hotel_rooms: HotelRooms, values: Mapping[str, str]) -> dict[str, Any]:
    """The price of the chosen stay, or the reason why there is none yet."""
    room = next((room for room in hotel_rooms.rooms if room.code == values["room_type"]), None)
    stay = read_stay(values)
    if room is None or stay is None:
        return {"missing": "Choose a room and your dates to see the price."}
    hotel = hotel_rooms.hotel
    try:
        total = quote(hotel, room, stay, utc_now())
    except ProblemError as problem:
        return {"missing": " ".join(refusals(problem.members).values())}
    now = utc_now()
    cutoff = cutoff_at(stay.check_in, hotel.timezone, hotel.cutoff_days_before, hotel.cutoff_hour)
    answer_by = last_answer_at(
        payment_window_end(now, hotel.payment_window_s, cutoff), hotel.approval_sla_s, cutoff
    )
    check_in_at = local_hour(stay.check_in, hotel.check_in_hour, hotel.timezone)
    terms = hotel_rooms.policy.for_stay(stay.check_in, hotel.check_in_hour, hotel.timezone)
    return {
        "missing": "",
        "room": room.name,
        "nights": count_in_words(nights(stay.check_in, stay.check_out), "night"),
        "per_night": money_in_words(room.price_per_night_minor, hotel.currency),
        "total": money_in_words(total.minor, total.currency),
        "total_minor": total.minor,
        "free_until": instant_in_words(terms.free_until, hotel.timezone) if terms.free_until > now else None,
        "started": now >= check_in_at,
        "notice": cancelling_notice(check_in_at, answer_by, now),
        "has_fee": hotel_rooms.policy.has_fee,
        "late_fee": money_in_words(terms.late_fee(total).minor, total.currency),
    }


def _refusals_of_stay(hotel_rooms: HotelRooms, values: Mapping[str, str]) -> dict[str, str]:
    """The hotel's refusals of a stay, to be shown together with the form's other errors."""
    room = next((room for room in hotel_rooms.rooms if room.code == values["room_type"]), None)
    stay = read_stay(values)
    if room is None or stay is None:
        return {}
    try:
        quote(hotel_rooms.hotel, room, stay, utc_now())
    except ProblemError as problem:
        return refusals(problem.members)
    return {}


async def _hotel_rooms(services: Services, slug: str) -> HotelRooms:
    if not is_plain(slug):
        raise not_found("hotel")
    async with reading(services.database) as db:
        hotel = await hotel_by_slug(db, slug)
        if hotel is None or hotel.id is None:
            raise not_found("hotel")
        return HotelRooms(hotel, await room_types(db, hotel.id))


def _digest(new_booking: NewBooking) -> str:
    return hashlib.sha256(new_booking.model_dump_json().encode()).hexdigest()


def _new_key() -> str:
    return f"page-{secrets.token_urlsafe(_KEY_BYTES)}"
