"""The start of a workflow that replaces a lost one."""

from __future__ import annotations

from datetime import timedelta

from domain.booking import ActorKind, Decision, Event, MailKind, ReasonCode, Status
from domain.messages.notifications import Mailing
from domain.messages.signals import Command
from domain.messages.starts import BookingTerms, OpenDecision, Resumption
from domain.roles import Role
from models import Hotel, SentMail
from reconciliation.queries import terms_to_go_on
from storage.bookings import apply_change
from storage.database import Database
from tests.storage.rows import T0, HotelRows, ask, book, change_of, create_hotel, held


async def _terms(database: Database, booking_id: str, version: int) -> tuple[BookingTerms, Resumption]:
    async with database.transaction() as db:
        terms = await terms_to_go_on(db, booking_id, version, authorization_margin_s=3600, payment_poll_s=300)
    assert terms is not None
    assert terms.resume is not None
    return terms, terms.resume


async def test_a_booking_that_lost_its_workflow_keeps_the_time_it_was_given_to_pay(
    database: Database,
) -> None:
    """The hotel's window has changed since; the guest's deadline has not."""
    hotel_rows = await create_hotel(database, payment_window_s=2 * 86400)
    booking = await book(database, hotel_rows, status=Status.PENDING_PAYMENT, created_at=T0, version=2)
    async with database.transaction() as db:
        (await db.get_one(Hotel, hotel_rows.id)).payment_window_s = 60
    terms, resume = await _terms(database, booking.booking_id, 2)
    assert (resume.submitted_at, terms.payment_window_s) == (T0, 2 * 86400)


async def test_what_a_lost_workflow_was_asked_for_goes_along_oldest_first(
    database: Database, hotel_rows: HotelRows
) -> None:
    """As its signals said it; what has come out, and what operators asked for, stays behind."""
    booking = await held(database, hotel_rows)
    approver = hotel_rows.staff[Role.APPROVER].email
    second = T0 + timedelta(minutes=1)
    decline = await ask(
        database, booking.booking_id, "decline", actor=approver, reason_code="RATE_ERROR",
        reason_note="Philippa was told", created_at=second,
    )  # fmt: skip
    cancel = await ask(database, booking.booking_id, "cancel", actor=ActorKind.GUEST)
    await ask(database, booking.booking_id, "approve", closed_at=T0, outcome="not_sent")
    await ask(database, booking.booking_id, "retry", actor=ActorKind.OPERATOR)
    _, resume = await _terms(database, booking.booking_id, booking.version)
    by_guest = Command(cancel.command_id, ActorKind.GUEST, issued_at=T0)
    by_staff = Command(
        decline.command_id, ActorKind.STAFF, hotel_rows.approver_id, ReasonCode.RATE_ERROR, issued_at=second
    )
    assert resume.decisions == (
        OpenDecision(Decision.CANCEL, by_guest),
        OpenDecision(Decision.DECLINE, by_staff),
    )


async def test_mails_without_a_recorded_delivery_go_along(database: Database, hotel_rows: HotelRows) -> None:
    """A mail that some recipients have not got goes along; one that only a newer colleague lacks does not."""
    booking = await book(database, hotel_rows)
    async with database.transaction() as db:
        for version, event in enumerate((Event.SUBMITTED, Event.AUTHORIZED, Event.REFUND_RECORDED), 1):
            at = T0 + timedelta(minutes=version)
            await apply_change(db, change_of(booking, event, expected_version=version, at=at))
        for kind, version, recipient, sent_at in (
            (MailKind.AUTHORIZED, 3, "a@guest.test", T0),
            (MailKind.STAFF_REQUEST, 3, "b@hotel.test", T0),
            (MailKind.STAFF_REQUEST, 3, "c@hotel.test", None),
            (MailKind.STAFF_PAYMENT_NOTICE, 4, "b@hotel.test", T0),
        ):
            db.add(
                SentMail(
                    message_id=f"<{booking.booking_id}.{kind}.{recipient}>", booking_id=booking.booking_id,
                    kind=kind, version=version, recipient=recipient, subject="-", sending_at=T0, sent_at=sent_at,
                )
            )  # fmt: skip
    _, resume = await _terms(database, booking.booking_id, 4)
    assert resume.mailings == (Mailing(booking.booking_id, (MailKind.STAFF_REQUEST,), 3),)
