"""Everything that can come apart between Stripe, the database and the workflows, made on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import update
from sqlmodel import col

from dispatch.client import start_booking
from domain.attention import Attention, AttentionCode
from domain.booking import ActorKind, Decision
from models import RoomType, StripeWebhookEvent
from reconciliation.findings import FindingKind
from storage.creation import submission_terms
from storage.room_blocks import BlockedStretch, block_rooms
from storage.rooms import claim_rooms, free_rooms
from storage.tables import RoomClaim, RoomNight
from tests.management.booking_driver import TOTAL_MINOR, ManagementBookingDriver
from tests.management.harness import ManagementHarness, eventually

NOBODY = "BK-00000-00000-00000"


async def lost_while_paying(harness: ManagementHarness) -> ManagementBookingDriver:
    """The guest looks at the payment page, and the workflow is gone."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.lose_workflow()
    return booking


async def lost_submission(harness: ManagementHarness) -> ManagementBookingDriver:
    """The workflow was started and terminated before any worker had seen it."""
    booking = await harness.draft()
    terms = submission_terms(
        await booking.row(), booking.hotel.slug, authorization_margin_s=3600, payment_poll_s=300
    )
    await start_booking(harness.client, terms, "a-queue-without-workers")
    await booking.lose_workflow()
    return booking


async def unheard_attention(harness: ManagementHarness) -> ManagementBookingDriver:
    """It asks for a person, and its workflow has come to its end."""
    booking = await harness.declined()
    await booking.set_attention(Attention(AttentionCode.EMAIL_FAILED, "declined", "no answer in time"))
    return booking


async def untold_end(harness: ManagementHarness) -> ManagementBookingDriver:
    """Declined while the mail server wanted nothing for its guest, and the workflow is gone."""
    booking = await harness.held()
    rule = f"RCPT {booking.guest_email}"
    fault = await harness.stand_ins.mail.order(rule, "error_before", status=451, times=None)
    await booking.decide(Decision.DECLINE)
    await eventually("a mail to be turned away", lambda: harness.stand_ins.mail.hits(fault))
    await booking.lose_workflow()
    await harness.stand_ins.mail.ask("DELETE", f"/_sandbox/faults/{fault}")
    return booking


async def unseen_hold(harness: ManagementHarness) -> ManagementBookingDriver:
    """The guest has paid, and no webhook came."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    return booking


async def gone_hold(harness: ManagementHarness) -> ManagementBookingDriver:
    """Someone cancelled the hold in the Dashboard, and no webhook came."""
    booking = await harness.held()
    await booking.dashboard("cancel")
    return booking


async def unseen_capture(harness: ManagementHarness) -> ManagementBookingDriver:
    """Someone captured it in the Dashboard, and no webhook came."""
    booking = await harness.held()
    await booking.dashboard("capture")
    return booking


async def second_payment(harness: ManagementHarness) -> ManagementBookingDriver:
    """The guest has paid on a second page as well."""
    booking = await harness.held()
    await booking.pay(await booking.strange_page())
    return booking


async def hold_after_end(harness: ManagementHarness) -> ManagementBookingDriver:
    """The guest paid when the booking was over."""
    booking = await harness.declined()
    await booking.pay(await booking.strange_page())
    return booking


async def money_after_end(harness: ManagementHarness) -> ManagementBookingDriver:
    """The guest paid when the booking was over, and someone captured that."""
    booking = await harness.declined()
    await booking.pay(await booking.strange_page())
    await booking.dashboard("capture")
    return booking


async def uncounted_refund(harness: ManagementHarness) -> ManagementBookingDriver:
    """Someone refunded a part in the Dashboard, and no webhook came."""
    booking = await harness.confirmed()
    await booking.dashboard("refund", {"amount": 5000})
    return booking


async def uncounted_dispute(harness: ManagementHarness) -> ManagementBookingDriver:
    """The guest's bank contests the charge, and no webhook came."""
    booking = await harness.confirmed()
    [payment] = await booking.payments()
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/charges/{payment['charge']}/dispute", json={})
    return booking


async def open_page(harness: ManagementHarness) -> ManagementBookingDriver:
    """A payment page was left open when the booking was over."""
    booking = await harness.declined()
    await booking.strange_page()
    return booking


async def left_decision(harness: ManagementHarness) -> ManagementBookingDriver:
    """A decision was kept, and came too late to be sent."""
    booking = await harness.declined()
    await booking.keep(Decision.APPROVE)
    return booking


async def left_event(harness: ManagementHarness) -> ManagementBookingDriver:
    """An event was kept five minutes ago, and never delivered."""
    booking = await harness.held()
    [payment] = await booking.payments()
    event = StripeWebhookEvent(
        event_id=f"evt_left_{booking.booking_id}",
        event_type="charge.expired",
        booking_id=booking.booking_id,
        payment_intent_id=payment["id"],
        received_at=datetime.now(UTC) - timedelta(minutes=5),
    )
    async with harness.database.transaction() as db:
        db.add(event)
    return booking


async def unknown_payment(harness: ManagementHarness) -> ManagementBookingDriver:
    """The row names a payment that Stripe has never heard of."""
    booking = await harness.declined()
    await booking.set(payment_intent_id=f"pi_unknown_{booking.booking_id}")
    return booking


async def payment_without_booking(harness: ManagementHarness) -> ManagementBookingDriver:
    """Someone paid for a booking that is not in the database."""
    booking = await harness.draft()
    await booking.pay(await booking.strange_page(NOBODY))
    return booking


async def unpaid_stay(harness: ManagementHarness) -> ManagementBookingDriver:
    """Confirmed, says the row; held, says Stripe."""
    booking = await harness.held()
    await booking.lose_workflow()
    await booking.set(status="CONFIRMED", amount_captured_minor=15000)
    return booking


async def other_amount(harness: ManagementHarness) -> ManagementBookingDriver:
    """The row has less than was captured."""
    booking = await harness.confirmed()
    await booking.set(amount_captured_minor=14000)
    return booking


async def short_refund(harness: ManagementHarness) -> ManagementBookingDriver:
    """Cancelled late, and what was kept is more than the fee that was decided on."""
    booking = await harness.confirmed(check_in_days=1)
    await booking.decide(Decision.CANCEL, ActorKind.GUEST)
    await booking.handle.result()
    await booking.set(refund_due_minor=TOTAL_MINOR)
    return booking


async def other_status(harness: ManagementHarness) -> ManagementBookingDriver:
    """The row has another status than its workflow."""
    booking = await harness.submitted()
    await booking.set(status="PENDING_APPROVAL")
    return booking


async def overdue(harness: ManagementHarness) -> ManagementBookingDriver:
    """The deadline is over, and nothing has happened."""
    booking = await harness.held()
    await booking.set(decision_deadline=datetime.now(UTC) - timedelta(hours=1))
    return booking


async def lost_claims(harness: ManagementHarness) -> ManagementBookingDriver:
    """Someone deleted the booking's rooms by hand."""
    booking = await harness.held()
    async with harness.database.transaction() as db:
        await free_rooms(db, await booking.row())
    return booking


async def claims_after_end(harness: ManagementHarness) -> ManagementBookingDriver:
    """The booking ended, and still has its rooms."""
    booking = await harness.declined()
    async with harness.database.transaction() as db:
        assert await claim_rooms(db, await booking.row())
    return booking


async def claim_outside_stay(harness: ManagementHarness) -> ManagementBookingDriver:
    """Someone gave the booking a room for the night after its stay, by hand."""
    booking = await harness.held()
    row = await booking.row()
    await _claim_by_hand(booking, row.room_type_id, row.check_out)
    return booking


async def claim_of_another_type(harness: ManagementHarness) -> ManagementBookingDriver:
    """Someone moved the booking to a room of another type for its first night, by hand."""
    booking = await harness.held()
    row = await booking.row()
    suite = RoomType(
        hotel_id=row.hotel_id, code="suite", name="Suite", price_per_night_minor=9900, max_guests=2, rooms=3
    )
    async with harness.database.transaction() as db:
        db.add(suite)
        await free_rooms(db, row, col(RoomClaim.night) == row.check_in)
    assert suite.id is not None
    await _claim_by_hand(booking, suite.id, row.check_in)
    return booking


async def _claim_by_hand(booking: ManagementBookingDriver, room_type_id: int, night: date) -> None:
    async with booking.harness.database.transaction() as db:
        db.add(RoomNight(room_type_id=room_type_id, night=night, capacity=3, claimed=1))
        await db.flush()
        db.add(RoomClaim(booking_id=booking.booking_id, room_type_id=room_type_id, night=night))


async def nights_counted_too_low(harness: ManagementHarness) -> ManagementBookingDriver:
    """Someone set the counts of the booking's nights to zero, and then blocked all rooms."""
    booking = await harness.held()
    row = await booking.row()
    async with harness.database.transaction() as db:
        room_type = await db.get_one(RoomType, row.room_type_id)
        await db.execute(
            update(RoomNight).where(col(RoomNight.room_type_id) == room_type.id).values(claimed=0)
        )
        await block_rooms(db, room_type, BlockedStretch(row.check_in, row.check_out), room_type.rooms, None)
    return booking


async def sold_again(harness: ManagementHarness) -> ManagementBookingDriver:
    """A database restored: the booking is confirmed and paid, and all rooms have been given to others."""
    booking = await harness.confirmed()
    row = await booking.row()
    async with harness.database.transaction() as db:
        await free_rooms(db, row)
        room_type = await db.get_one(RoomType, row.room_type_id)
        await block_rooms(db, room_type, BlockedStretch(row.check_in, row.check_out), room_type.rooms, None)
    return booking


Inconsistency = Callable[[ManagementHarness], Awaitable[ManagementBookingDriver]]

HEALED: dict[FindingKind, Inconsistency] = {
    FindingKind.WORKFLOW_MISSING: lost_while_paying,
    FindingKind.SUBMISSION_LOST: lost_submission,
    FindingKind.ATTENTION_WITHOUT_WORKFLOW: unheard_attention,
    FindingKind.END_NOT_ANNOUNCED: untold_end,
    FindingKind.HOLD_NOT_RECORDED: unseen_hold,
    FindingKind.HOLD_GONE: gone_hold,
    FindingKind.CAPTURE_NOT_RECORDED: unseen_capture,
    FindingKind.SECOND_PAYMENT: second_payment,
    FindingKind.HOLD_AFTER_END: hold_after_end,
    FindingKind.MONEY_AFTER_END: money_after_end,
    FindingKind.REFUND_NOT_RECORDED: uncounted_refund,
    FindingKind.DISPUTE_NOT_RECORDED: uncounted_dispute,
    FindingKind.PAGE_OPEN: open_page,
    FindingKind.DECISION_LEFT_OPEN: left_decision,
    FindingKind.EVENT_UNPROCESSED: left_event,
    FindingKind.CLAIMS_DIFFER: lost_claims,
}
"""What reconciliation heals."""

LEFT: dict[FindingKind, Inconsistency] = {
    FindingKind.PAYMENT_UNKNOWN: unknown_payment,
    FindingKind.PAYMENT_WITHOUT_BOOKING: payment_without_booking,
    FindingKind.CONFIRMED_UNPAID: unpaid_stay,
    FindingKind.AMOUNT_DIFFERS: other_amount,
    FindingKind.REFUND_SHORT: short_refund,
    FindingKind.STATUS_DIFFERS: other_status,
    FindingKind.OVERDUE: overdue,
    FindingKind.OVERBOOKED: sold_again,
}
"""What it leaves to people."""


async def make_all(harness: ManagementHarness) -> dict[FindingKind, ManagementBookingDriver]:
    """Make one of each, a few at once."""
    places = asyncio.Semaphore(4)

    async def one(make: Inconsistency) -> ManagementBookingDriver:
        async with places:
            return await make(harness)

    inconsistencies = HEALED | LEFT
    bookings = await asyncio.gather(*(one(make) for make in inconsistencies.values()))
    return dict(zip(inconsistencies, bookings, strict=True))
