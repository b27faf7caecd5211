"""The parameters of a Checkout session that holds a card for a stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stripe.params.checkout import SessionCreateParams

from domain.messages.stripe_steps import OpenSession
from domain.money import Money
from models import Booking, Hotel, ReturnAddresses, RoomType

_LONGEST: Final = 250
"""Stripe's limit of a product's name."""


@dataclass(frozen=True)
class BookedStay:
    """A booking with its hotel and room type."""

    booking: Booking
    hotel: Hotel
    room_type: RoomType


def session_params(
    request: OpenSession, stay: BookedStay, wishes: ReturnAddresses, page: str
) -> SessionCreateParams:
    """The parameters of a booking's session.

    Args:
        wishes: where the caller wants the guest to return to.
        page: where the guest returns to without that; it contains no token.
    """
    booking, hotel, room_type = stay.booking, stay.hotel, stay.room_type
    money = Money(request.amount_minor, request.currency)
    days = f"{booking.check_in} to {booking.check_out}"
    metadata = {"booking_id": request.booking_id, "hotel": hotel.slug}
    params: SessionCreateParams = {
        "mode": "payment",
        "allowed_payment_method_types": ["card"],
        "client_reference_id": request.booking_id,
        "customer_email": booking.guest_email,
        "expires_at": int(request.expires_at.timestamp()),
        "success_url": wishes.success_url or f"{page}&session_id={{CHECKOUT_SESSION_ID}}",
        "cancel_url": wishes.cancel_url or page,
        "submit_type": "book",
        "metadata": metadata,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": request.currency.lower(),
                    "unit_amount": money.stripe_amount,
                    "product_data": {"name": _product_name(hotel.name, room_type.name, days)},
                },
            }
        ],
        # The session's metadata does not reach the PaymentIntent, whose events are matched by it.
        "payment_intent_data": {
            "capture_method": "manual",
            "description": f"Hotel booking {request.booking_id} - {hotel.name}",
            "metadata": metadata,
        },
    }
    if hotel.long_holds:
        # Stripe decides by the card: https://docs.stripe.com/payments/extended-authorization.
        params["payment_method_options"] = {"card": {"request_extended_authorization": "if_available"}}
    return params


def _product_name(hotel: str, room: str, stay: str) -> str:
    """Name the purchase within Stripe's limit; the dates are never cut."""
    name = f"{hotel}: {room}, {stay}"
    if len(name) <= _LONGEST:
        return name
    most = (_LONGEST - len(f": , {stay}")) // 2
    return f"{_cut(hotel, most)}: {_cut(room, most)}, {stay}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
