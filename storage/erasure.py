"""Removes a guest's data. Amounts, times, Stripe's ids and Message-IDs stay for accounting."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import STAFF_MAILS
from domain.erasure import EMAIL, FIRST_NAME, LAST_NAME, RECIPIENT
from domain.payment_card import NO_RISK_LEVEL
from models import Booking, BookingCommand, PaymentSession, ReturnAddresses, SentMail
from storage.search import keep_search_words
from storage.tables import CardDetails, IdempotentRequest

_IN_ANSWERS: Final = {
    "first_name": FIRST_NAME,
    "last_name": LAST_NAME,
    "email": EMAIL,
    "phone": None,
    "special_requests": None,
    "reason_note": None,
}
"""Members of the API's answers that tell of the guest, and what stands there afterwards."""


async def booking_to_erase(db: AsyncSession, booking_id: str) -> Booking | None:
    """Find a booking, and lock it until the transaction ends."""
    query = select(Booking).where(col(Booking.booking_id) == booking_id).with_for_update()
    return (await db.scalars(query)).one_or_none()


async def erase_guest(db: AsyncSession, booking: Booking, at: datetime) -> None:
    """Remove the guest's data from every table, in the caller's transaction. A repeat removes what was added since.

    Erasure is not a change of the booking: status, version and timeline stay as they are.
    """
    booking.guest_first_name, booking.guest_last_name, booking.guest_email = FIRST_NAME, LAST_NAME, EMAIL
    # Free text may name the guest, no matter who wrote it.
    booking.guest_phone = booking.special_requests = booking.reason_note = None
    booking.risk_rank = NO_RISK_LEVEL
    booking.guest_erased_at = booking.guest_erased_at or at
    await keep_search_words(db, booking)
    id_ = booking.booking_id
    await db.execute(
        update(BookingCommand).where(col(BookingCommand.booking_id) == id_).values(reason_note=None)
    )
    # The constant stays unique: a booking's address changes nowhere but here, so the guest gets one mail per kind and
    # version, and `claim_mails` begins none once the guest is erased.
    to_guest = (col(SentMail.booking_id) == id_, col(SentMail.kind).not_in(list(STAFF_MAILS)))
    await db.execute(update(SentMail).where(*to_guest).values(recipient=RECIPIENT))
    # A payment page shows the guest's e-mail address, and its return addresses may contain a token.
    await db.execute(update(PaymentSession).where(col(PaymentSession.booking_id) == id_).values(url=""))
    await db.execute(delete(ReturnAddresses).where(col(ReturnAddresses.booking_id) == id_))
    await db.execute(delete(CardDetails).where(col(CardDetails.booking_id) == id_))
    await _erase_answers(db, id_)


async def _erase_answers(db: AsyncSession, booking_id: str) -> None:
    query = select(IdempotentRequest).where(col(IdempotentRequest.booking_id) == booking_id)
    for request in await db.scalars(query):
        request.response = _without_guest(request.response)


def _without_guest(answer: Any) -> Any:
    """A stored response without the guest's data."""
    if isinstance(answer, dict):
        return {
            name: _IN_ANSWERS[name] if name in _IN_ANSWERS else _without_guest(value)
            for name, value in answer.items()
        }
    return [_without_guest(item) for item in answer] if isinstance(answer, list) else answer
