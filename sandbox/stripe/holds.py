"""Places many holds at once, for benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sandbox.stripe.cards import CARDS
from sandbox.stripe.checkout import create_session, pay
from sandbox.stripe.events import Origin
from sandbox.stripe.shapes import Obj
from sandbox.stripe.state import Sandbox, StripeChange

_CARD: Final = CARDS["4242424242424242"]
_PAGE: Final = "http://127.0.0.1"


class _SilentChange(StripeChange):
    """A change without events and webhooks."""

    def emit(self, type_: str, obj: Obj, previous: Obj | None = None) -> None:
        """Drop the event."""


def place_holds(
    sandbox: Sandbox, bookings: Sequence[str], amount: int, currency: str, hotel: str
) -> dict[str, str]:
    """Pay for each booking as its guest, without events; all in one transaction.

    Args:
        sandbox: the stand-in.
        bookings: booking ids for the metadata.
        amount: of each hold, in Stripe's minor units.
        currency: a code, in either case.
        hotel: the hotel's slug for the metadata.

    Returns:
        The PaymentIntent's id by booking; each is `requires_capture`.

    Raises:
        ApiError: Stripe would refuse such a session.
    """
    placed = {}
    with sandbox.store.transaction():
        change = _SilentChange(sandbox.store, sandbox.deliverer, Origin(), int(sandbox.clock.now_s()))
        for booking_id in bookings:
            session = create_session(change, _asked(booking_id, amount, currency, hotel), _PAGE)
            pay(change, session, _CARD, None)
            placed[booking_id] = session["payment_intent"]
    return placed


def _asked(booking_id: str, amount: int, currency: str, hotel: str) -> dict[str, Any]:
    """The parameters of a merchant's request for a hold."""
    metadata = {"booking_id": booking_id, "hotel": hotel}
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": f"A room at {hotel}"}}
    return {
        "mode": "payment",
        "allowed_payment_method_types": ["card"],
        "client_reference_id": booking_id,
        "customer_email": "guest@example.com",
        "success_url": _PAGE,
        "submit_type": "book",
        "metadata": metadata,
        "line_items": [{"quantity": 1, "price_data": price}],
        "payment_intent_data": {
            "capture_method": "manual",
            "description": f"Hotel booking {booking_id} - {hotel}",
            "metadata": metadata,
        },
    }
