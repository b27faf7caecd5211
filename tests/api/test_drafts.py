"""Drafts: made without submitting, then submitted, paid for or left."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.api.hotels import HotelDriver, open_hotel
from tests.api.problems import assert_problem
from tests.api.rows import edit, reprice, row_of
from tests.api.stack import ApiStack

_AHEAD, _BEHIND = "Pacific/Kiritimati", "Pacific/Pago_Pago"


# --- drafts -----------------------------------------------------------------------------------------------


async def test_draft_then_submit(hotel: HotelDriver) -> None:
    """A draft has no workflow; submitting it starts one, and submitting it again changes nothing."""
    guest = await hotel.draft()
    draft = await guest.read_booking()
    assert (draft["status"], draft["version"]) == ("DRAFT", 1)
    first = await guest.ask("POST", "submit/")
    assert first.status_code == 200
    assert (first.json()["status"], first.json()["version"]) == ("PENDING_PAYMENT", 2)
    again = await guest.ask("POST", "submit/")
    assert (again.status_code, again.json()) == (200, first.json())


async def test_a_draft_takes_no_payment_and_no_decision(hotel: HotelDriver) -> None:
    """A request that needs a submitted booking is a conflict, and starts nothing."""
    guest = await hotel.draft()
    staff = await hotel.staff()
    assert_problem(await guest.ask("POST", "payment/session/"), 409, "not_payable")
    assert_problem(await guest.cancel(), 409, "not_cancellable")
    assert_problem(await staff.approve(guest.booking_id), 409, "not_authorized")
    assert_problem(await staff.decline(guest.booking_id), 409, "not_authorized")
    assert (await guest.read_booking())["version"] == 1


async def test_submitting_late(stack: ApiStack) -> None:
    """A draft whose time has come is not submitted any more."""
    inn = await open_hotel(stack, timezone=_BEHIND)
    guest = await inn.draft(days_ahead=1)
    yesterday = datetime.now(ZoneInfo(_BEHIND)).date() - timedelta(days=1)
    await edit(inn, guest, check_in=yesterday)
    assert_problem(await guest.ask("POST", "submit/"), 422, "invalid_request", "check_in")
    assert (await row_of(inn, guest)).status == "DRAFT"


async def test_prices_are_fixed_when_the_booking_is_made(hotel: HotelDriver, stack: ApiStack) -> None:
    """A later change of price leaves a draft as it is."""
    guest = await hotel.draft()
    await reprice(hotel, 99_900)
    submitted = (await guest.ask("POST", "submit/")).json()
    assert submitted["amount"] == "150.00"
    await guest.pay()
    assert (await stack.client.payment(guest.booking_id))["amount"] == 15000
