"""Money paid elsewhere for one payment of a booking says nothing about another one."""

from __future__ import annotations

from typing import Any

import pytest

from api.pages.guest.words import cost_of_cancelling
from api.views import BookingDetails, payment_state
from domain.booking import Event, MailKind, Status
from models import utc_now
from sandbox.drivers import GuestDriver
from storage.courses import BookingCourse
from storage.owed import owed_minor
from tests.api.hotels import HotelDriver
from tests.api.rows import edit, row_of
from tests.pages.page_client import PageClient
from tests.pages.test_guest_emails import composed, letter
from tests.pages.test_staff_letters import guest, letter_in  # noqa: F401  a fixture

OTHER: dict[str, Any] = {"paid_elsewhere": {"pi_2": 30000}, "amount_paid_elsewhere_minor": 30000}
PART: dict[str, Any] = {"paid_elsewhere": {"pi_1": 5000}, "amount_paid_elsewhere_minor": 5000}
CAPTURED: dict[str, Any] = {"amount_captured_minor": 30000}


def test_a_confirmed_stay_stays_paid_when_its_second_payment_was_paid_back_elsewhere() -> None:
    confirmed = letter(MailKind.CONFIRMED, status=Status.CONFIRMED, **CAPTURED, **OTHER).booking
    assert payment_state(confirmed) == "captured"


def test_its_own_debt_is_not_hidden() -> None:
    cancelled = letter(
        MailKind.CANCELLED, status=Status.CANCELLED, refund_due_minor=21000, **CAPTURED, **OTHER
    )
    assert owed_minor(cancelled.booking) == 21000


def test_the_fee_is_told() -> None:
    email = letter(
        MailKind.CANCELLED,
        event=Event.CANCELLED_BY_GUEST,
        status=Status.CANCELLED,
        refund_due_minor=21000,
        amount_refunded_minor=21000,
        **CAPTURED,
        **OTHER,
    )
    body = composed(email).get_body(("plain",))
    assert body is not None
    assert "the hotel keeps €90.00" in " ".join(body.get_content().split())


@pytest.mark.parametrize(
    ("percent", "refund_minor", "sentence"),
    [
        (
            0,
            25000,
            "Cancelling costs nothing. The hotel has paid you €50.00 by other means than your card; €250.00 "
            "goes back to your card.",
        ),
        (
            30,
            16000,
            "Cancelling costs €90.00: the hotel keeps it. The hotel has paid you €50.00 by other means than your card; "
            "€160.00 goes back to your card.",
        ),
        (
            100,
            0,
            "Cancelling costs €250.00: the hotel keeps it. The hotel has paid you €50.00 by other means than your "
            "card; nothing goes back to your card.",
        ),
    ],
)
def test_a_part_paid_elsewhere_does_not_go_back_to_the_card_as_well(
    percent: int, refund_minor: int, sentence: str
) -> None:
    """As the workflow refunds it."""
    terms: dict[str, Any] = {"free_cancel_days": 1000, "late_cancel_fee_percent": percent}
    email = letter(MailKind.CONFIRMED, status=Status.CONFIRMED, **terms, **CAPTURED, **PART)
    found = BookingDetails(email.booking, email.hotel, email.room_type, BookingCourse())
    cost = cost_of_cancelling(found, utc_now())
    assert (cost.sentence, cost.refund_minor) == (sentence, refund_minor)


async def test_the_manager_reads_that_the_rest_goes_back(
    manager: PageClient,
    guest: GuestDriver,  # noqa: F811
    hotel: HotelDriver,
) -> None:
    own = (await row_of(hotel, guest)).payment_intent_id
    await edit(hotel, guest, paid_elsewhere={own: 5000}, amount_paid_elsewhere_minor=5000)
    text = letter_in(await manager.open(f"/staff/bookings/{guest.booking_id}/cancel/"))
    assert "€100.00 of the €150.00 you paid was refunded to your card." in text
    assert "The hotel has paid you €50.00 by other means than your card." in text
    assert "keeps" not in text
