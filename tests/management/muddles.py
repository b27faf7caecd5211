"""Everything that can come apart between Stripe, the database and the workflows, made on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from dispatch.client import start_booking
from domain.booking import Decision
from models import StripeWebhookEvent
from reconciliation.findings import Kind
from storage.creation import submission_terms
from tests.management.office import Office, Stay, eventually

NOBODY = "BK-00000-00000-00000"


async def lost_while_paying(office: Office) -> Stay:
    """The guest looks at the payment page, and the workflow is gone."""
    stay = await office.submitted()
    await stay.open_page()
    await stay.lose_workflow()
    return stay


async def lost_submission(office: Office) -> Stay:
    """The workflow was started and terminated before any worker had seen it."""
    stay = await office.draft()
    terms = submission_terms(await stay.row(), stay.hotel, authorization_margin_s=3600, payment_poll_s=300)
    await start_booking(office.client, terms, "a-queue-without-workers")
    await stay.lose_workflow()
    return stay


async def unheard_attention(office: Office) -> Stay:
    """It asks for a person, and its workflow has come to its end."""
    stay = await office.declined()
    await stay.set(needs_attention="The e-mail 'declined' could not be sent: no answer in time")
    return stay


async def untold_end(office: Office) -> Stay:
    """Declined while the mail server wanted nothing for its guest, and the workflow is gone."""
    stay = await office.held()
    rule = f"RCPT {stay.guest_email}"
    fault = await office.stand_ins.mail.order(rule, "error_before", status=451, times=None)
    await stay.decide(Decision.DECLINE)
    await eventually("a mail to be turned away", lambda: office.stand_ins.mail.hits(fault))
    await stay.lose_workflow()
    await office.stand_ins.mail.ask("DELETE", f"/_sandbox/faults/{fault}")
    return stay


async def unseen_hold(office: Office) -> Stay:
    """The guest has paid, and no webhook came."""
    stay = await office.submitted()
    await stay.open_page()
    await stay.pay()
    return stay


async def gone_hold(office: Office) -> Stay:
    """Somebody cancelled the hold in the Dashboard, and no webhook came."""
    stay = await office.held()
    await stay.dashboard("cancel")
    return stay


async def unseen_capture(office: Office) -> Stay:
    """Somebody captured it in the Dashboard, and no webhook came."""
    stay = await office.held()
    await stay.dashboard("capture")
    return stay


async def second_payment(office: Office) -> Stay:
    """The guest has paid on a second page as well."""
    stay = await office.held()
    await stay.pay(await stay.strange_page())
    return stay


async def hold_after_end(office: Office) -> Stay:
    """The guest paid when the booking was over."""
    stay = await office.declined()
    await stay.pay(await stay.strange_page())
    return stay


async def money_after_end(office: Office) -> Stay:
    """The guest paid when the booking was over, and somebody captured that."""
    stay = await office.declined()
    await stay.pay(await stay.strange_page())
    await stay.dashboard("capture")
    return stay


async def uncounted_refund(office: Office) -> Stay:
    """Somebody refunded a part in the Dashboard, and no webhook came."""
    stay = await office.confirmed()
    await stay.dashboard("refund", {"amount": 5000})
    return stay


async def uncounted_dispute(office: Office) -> Stay:
    """The guest's bank contests the charge, and no webhook came."""
    stay = await office.confirmed()
    [payment] = await stay.payments()
    await office.stripe.ask("POST", f"/_sandbox/dashboard/charges/{payment['charge']}/dispute", json={})
    return stay


async def open_page(office: Office) -> Stay:
    """A payment page was left open when the booking was over."""
    stay = await office.declined()
    await stay.strange_page()
    return stay


async def left_decision(office: Office) -> Stay:
    """A decision was kept, and came too late to be sent."""
    stay = await office.declined()
    await stay.keep(Decision.APPROVE)
    return stay


async def left_event(office: Office) -> Stay:
    """An event was kept five minutes ago, and nobody handed it on."""
    stay = await office.held()
    [payment] = await stay.payments()
    event = StripeWebhookEvent(
        event_id=f"evt_left_{stay.booking_id}",
        event_type="charge.expired",
        booking_id=stay.booking_id,
        payment_intent_id=payment["id"],
        received_at=datetime.now(UTC) - timedelta(minutes=5),
    )
    async with office.database.transaction() as db:
        db.add(event)
    return stay


async def unknown_payment(office: Office) -> Stay:
    """The row names a payment that Stripe has never heard of."""
    stay = await office.declined()
    await stay.set(payment_intent_id=f"pi_unknown_{stay.booking_id}")
    return stay


async def nobodys_payment(office: Office) -> Stay:
    """Somebody paid for a booking that is not in the database."""
    stay = await office.draft()
    await stay.pay(await stay.strange_page(NOBODY))
    return stay


async def unpaid_stay(office: Office) -> Stay:
    """Confirmed, says the row; held, says Stripe."""
    stay = await office.held()
    await stay.lose_workflow()
    await stay.set(status="CONFIRMED", amount_captured_minor=15000)
    return stay


async def other_amount(office: Office) -> Stay:
    """The row has less than was captured."""
    stay = await office.confirmed()
    await stay.set(amount_captured_minor=14000)
    return stay


async def short_refund(office: Office) -> Stay:
    """Cancelled late, and the fee that was kept is more than the policy allows."""
    stay = await office.confirmed(check_in_days=1)
    await stay.decide(Decision.CANCEL)
    await stay.handle.result()
    await stay.set(late_cancel_fee_percent=0)
    return stay


async def other_status(office: Office) -> Stay:
    """The row has another status than its workflow."""
    stay = await office.submitted()
    await stay.set(status="PENDING_APPROVAL")
    return stay


async def overdue(office: Office) -> Stay:
    """The deadline is over, and nothing has happened."""
    stay = await office.held()
    await stay.set(decision_deadline=datetime.now(UTC) - timedelta(hours=1))
    return stay


Muddle = Callable[[Office], Awaitable[Stay]]

HEALED: dict[Kind, Muddle] = {
    Kind.WORKFLOW_MISSING: lost_while_paying,
    Kind.SUBMISSION_LOST: lost_submission,
    Kind.ATTENTION_UNHEARD: unheard_attention,
    Kind.END_UNTOLD: untold_end,
    Kind.HOLD_UNSEEN: unseen_hold,
    Kind.HOLD_GONE: gone_hold,
    Kind.CAPTURE_UNSEEN: unseen_capture,
    Kind.SECOND_PAYMENT: second_payment,
    Kind.HOLD_AFTER_END: hold_after_end,
    Kind.MONEY_AFTER_END: money_after_end,
    Kind.REFUND_UNCOUNTED: uncounted_refund,
    Kind.DISPUTE_UNCOUNTED: uncounted_dispute,
    Kind.PAGE_OPEN: open_page,
    Kind.DECISION_LEFT_OPEN: left_decision,
    Kind.EVENT_UNPROCESSED: left_event,
}
"""What reconciliation heals."""

LEFT: dict[Kind, Muddle] = {
    Kind.PAYMENT_UNKNOWN: unknown_payment,
    Kind.PAYMENT_OF_NOBODY: nobodys_payment,
    Kind.CONFIRMED_UNPAID: unpaid_stay,
    Kind.AMOUNT_DIFFERS: other_amount,
    Kind.REFUND_SHORT: short_refund,
    Kind.STATUS_DIFFERS: other_status,
    Kind.OVERDUE: overdue,
}
"""What it leaves to people."""


async def make_all(office: Office) -> dict[Kind, Stay]:
    """Make one of each, a few at once."""
    places = asyncio.Semaphore(4)

    async def one(make: Muddle) -> Stay:
        async with places:
            return await make(office)

    muddles = HEALED | LEFT
    stays = await asyncio.gather(*(one(make) for make in muddles.values()))
    return dict(zip(muddles, stays, strict=True))
