"""Delivers Stripe events from the inbox to workflows.

The webhook delivers an event at once; the sweep delivers stored events that are still unprocessed.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from dispatch import ui_texts
from dispatch.errors import WorkflowGoneError, temporal_call, temporal_errors
from dispatch.names import AUTHORIZED, ENDED_BOOKING_PAYMENT_WORKFLOW, PAYMENT_CHANGED
from domain.booking import UNDER_DECISION
from domain.identifiers import ended_booking_payment_workflow_id, workflow_id
from domain.messages.signals import StripeEventHint
from domain.messages.starts import EndedBookingEvent
from domain.stripe_events import AUTHORIZING
from models import StripeWebhookEvent
from storage.database import Database
from storage.inbox import Addressee, InboxEntry, keep_event, mark_processed

BOOKING_MEMO: Final = "booking_id"
"""The memo field with the booking's id: the workflow's own id names only the payment."""

LEFT_TO_ITS_STEP: Final = "left to the step under way"
"""The outcome of an echo (`storage.echoes`)."""


class WorkflowMissingError(Exception):
    """A booking that waits for its payment or a decision has no workflow; reconciliation will restart it."""


async def deliver_event(
    database: Database, client: Client, task_queue: str, event: StripeWebhookEvent
) -> str | None:
    """Keep an event, deliver it to its workflow, then mark it processed: see `keep` and `deliver`."""
    return await deliver(database, client, task_queue, await keep(database, event))


async def keep(database: Database, event: StripeWebhookEvent) -> InboxEntry:
    """Store an event in the inbox unless it is there; find its booking.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError, TimeoutError: the database is away.
    """
    async with database.single_statement() as db:
        return await keep_event(db, event)


async def deliver(
    database: Database, client: Client, task_queue: str, entry: InboxEntry, *, may_wait: bool = False
) -> str | None:
    """Deliver a stored event to its workflow, then mark it processed.

    An event for a booking whose workflow was lost stays unprocessed: it is about the booking's own money, which no
    other workflow may return.

    Args:
        may_wait: an echo stays unprocessed: the change that it reports marks it, or the sweep delivers it.

    Returns:
        The reason why it was not delivered; None if a workflow accepted it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError, TimeoutError: the database is away.
        TemporalAwayError: Temporal is away. The event stays unprocessed in both cases.
    """
    if entry.addressee is None or entry.reason is not None:
        return entry.reason
    if entry.is_processed:
        return "a duplicate"
    if may_wait and entry.is_echo:
        return LEFT_TO_ITS_STEP
    try:
        await signal_booking(client, task_queue, entry.addressee, _hint(entry.event))
    except WorkflowMissingError:
        return "its workflow is missing"
    async with database.single_statement() as db:
        await mark_processed(db, entry.event.event_id)
    return None


def _hint(event: StripeWebhookEvent) -> StripeEventHint:
    return StripeEventHint(
        event_id=event.event_id,
        event_type=event.event_type,
        session_id=event.session_id,
        payment_intent_id=event.payment_intent_id,
    )


async def signal_booking(client: Client, task_queue: str, booking: Addressee, hint: StripeEventHint) -> None:
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
            client, task_queue, EndedBookingEvent(booking.booking_id, booking.hotel_slug, hint)
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
