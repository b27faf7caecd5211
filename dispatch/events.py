"""Delivers Stripe events from the inbox to workflows.

The webhook delivers an event at once; the sweep delivers stored events that are still unprocessed.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from dispatch import ui_texts
from dispatch.errors import WorkflowGoneError, temporal_call, temporal_errors
from dispatch.names import AUTHORIZED, ENDED_BOOKING_PAYMENT_WORKFLOW, PAYMENT_CHANGED
from domain.booking import UNDER_DECISION, Status
from domain.identifiers import ended_booking_payment_workflow_id, workflow_id
from domain.messages.signals import StripeEventHint
from domain.messages.starts import EndedBookingEvent
from domain.stripe_events import AUTHORIZING, KNOWN, is_relevant
from models import Booking, Hotel, StripeWebhookEvent
from storage.database import Database
from storage.inbox import booking_behind, mark_processed

BOOKING_MEMO: Final = "booking_id"
"""The memo field with the booking's id: the workflow's own id names only the payment."""


class WorkflowMissingError(Exception):
    """A booking that waits for its payment or a decision has no workflow; reconciliation will restart it."""


@dataclass(frozen=True)
class Delivery:
    """An event, and the booking whose workflow it is for."""

    event: StripeWebhookEvent
    booking: Booking
    hotel_slug: str


async def deliver_event(
    database: Database, client: Client, task_queue: str, event: StripeWebhookEvent
) -> str | None:
    """Deliver a stored event to its workflow, then mark it processed.

    Returns:
        The reason why it was not delivered; None if a workflow accepted it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError, TimeoutError: the database is away.
        TemporalAwayError: Temporal is away. The event stays unprocessed in both cases.
    """
    async with database.transaction() as db:
        addressed = await address(db, event)
    return addressed if isinstance(addressed, str) else await deliver(database, client, task_queue, addressed)


async def address(db: AsyncSession, event: StripeWebhookEvent) -> Delivery | str:
    """Find the booking a stored event is for.

    Returns:
        The delivery to make, or the reason why there is none; the event is then marked processed in `db`.
    """
    found = await _addressee(db, event)
    if isinstance(found, str):
        await mark_processed(db, event.event_id, found)
    return found


async def _addressee(db: AsyncSession, event: StripeWebhookEvent) -> Delivery | str:
    if event.event_type not in KNOWN:
        return "a type we do not act on"
    booking = await booking_behind(
        db,
        booking_id=event.booking_id,
        session_id=event.session_id,
        payment_intent_id=event.payment_intent_id,
    )
    hotel = await db.get(Hotel, booking.hotel_id) if booking else None
    if booking is None or hotel is None:
        return "no booking of ours"
    return Delivery(event, booking, hotel.slug) if _is_relevant_to(booking, event) else "nothing new"


async def deliver(database: Database, client: Client, task_queue: str, delivery: Delivery) -> str | None:
    """Deliver an event to its workflow, then mark it processed.

    An event for a booking whose workflow was lost stays unprocessed: it is about the booking's own money, which no
    other workflow may return.

    Returns, raises: as `deliver_event`.
    """
    try:
        await signal_booking(client, task_queue, delivery.booking, delivery.hotel_slug, _hint(delivery.event))
    except WorkflowMissingError:
        return "its workflow is missing"
    async with database.transaction() as db:
        await mark_processed(db, delivery.event.event_id)
    return None


def _is_relevant_to(booking: Booking, event: StripeWebhookEvent) -> bool:
    own = booking.payment_intent_id
    about_own_payment = own is not None and event.payment_intent_id in {None, own}
    return is_relevant(event.event_type, Status(booking.status), about_own_payment=about_own_payment)


def _hint(event: StripeWebhookEvent) -> StripeEventHint:
    return StripeEventHint(
        event_id=event.event_id,
        event_type=event.event_type,
        session_id=event.session_id,
        payment_intent_id=event.payment_intent_id,
    )


async def signal_booking(
    client: Client, task_queue: str, booking: Booking, hotel_slug: str, hint: StripeEventHint
) -> None:
    """Signal an event to a booking's workflow, or start an `EndedBookingPaymentWorkflow` if that has ended.

    Args:
        booking: as the row was read just now.

    Raises:
        WorkflowMissingError: the booking has not ended, but its workflow has.
        TemporalAwayError: Temporal is away.
    """
    signal = AUTHORIZED if hint.event_type in AUTHORIZING else PAYMENT_CHANGED
    handle = client.get_workflow_handle(workflow_id(booking.booking_id))
    try:
        await signal.send(handle, hint)
    except WorkflowGoneError as error:
        if booking.status in UNDER_DECISION:
            raise WorkflowMissingError(booking.booking_id) from error
        # Never signal-with-start: it would start an ended booking again.
        await start_ended_booking_payment(
            client, task_queue, EndedBookingEvent(booking.booking_id, hotel_slug, hint)
        )


async def start_ended_booking_payment(client: Client, task_queue: str, event: EndedBookingEvent) -> None:
    """Start the workflow that handles a payment event of an ended booking; a repeat changes nothing.

    Raises:
        TemporalAwayError: the workflow may or may not have been started.
    """
    subject = event.hint.payment_intent_id or event.hint.session_id or "unknown"
    with suppress(WorkflowAlreadyStartedError):
        async with temporal_call():
            await client.start_workflow(
                ENDED_BOOKING_PAYMENT_WORKFLOW,
                event,
                id=ended_booking_payment_workflow_id(subject, event.hint.event_id),
                task_queue=task_queue,
                memo={BOOKING_MEMO: event.booking_id},
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=ui_texts.ended_booking_summary(event),
            )


async def running_payment_workflows(client: Client) -> dict[str, list[str]]:
    """Ids of the running `EndedBookingPaymentWorkflow`s, by booking.

    Raises:
        TemporalAwayError: Temporal is away.
    """
    found: dict[str, list[str]] = defaultdict(list)
    query = f"WorkflowType = '{ENDED_BOOKING_PAYMENT_WORKFLOW}' AND ExecutionStatus = 'Running'"
    with temporal_errors():
        async for execution in client.list_workflows(query):
            booking_id = await execution.memo_value(BOOKING_MEMO, "", type_hint=str)
            if booking_id:
                found[booking_id].append(execution.id)
    return found
