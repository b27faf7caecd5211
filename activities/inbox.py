"""The inbox of Stripe's events: its sweep, and notes on events that no booking followed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

import stripe
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from stripe.params import EventListParams
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from dispatch.errors import TemporalAwayError
from dispatch.events import deliver_event
from domain.stripe_events import KNOWN, subject_of
from gateway.errors import translated_errors
from models import StripeWebhookEvent, utc_now
from storage.database import Database
from storage.inbox import missing_events, note_event, unprocessed_events

log = logging.getLogger(__name__)

_AWAY: Final = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.PERMISSION_DENIED,
    }
)

# The webhook that received an event has this long to deliver it itself.
_LEFT_BEHIND_AFTER: Final = timedelta(seconds=30)
_AT_ONCE: Final = 200

# Stripe delivers within seconds and repeats for days. An event this old that never arrived is lost.
_OVERDUE_AFTER: Final = timedelta(minutes=2)
_LOOK_BACK: Final = timedelta(minutes=30)
_PAGE: Final = 100


class Inbox:
    """Delivers the events that webhooks left unprocessed."""

    def __init__(
        self, database: Database, stripe_client: stripe.StripeClient, client: Client, task_queue: str
    ) -> None:
        self._database = database
        self._stripe = stripe_client.v1
        self._client = client
        self._task_queue = task_queue

    @activity.defn(name="inbox.deliver_unprocessed_events")
    async def deliver_unprocessed_events(self) -> int:
        """Deliver kept events that were not processed, oldest first; returns how many.

        Raises:
            ApplicationError: some could not be delivered. The others were.
        """
        count, last, failed = 0, None, 0
        while True:
            async with self._database.transaction() as db:
                before = utc_now() - _LEFT_BEHIND_AFTER
                events = await unprocessed_events(db, before, _AT_ONCE, after=last)
            failed += sum([not await self._hand_on(event) for event in events])
            count += len(events)
            if len(events) < _AT_ONCE:
                break
            last = events[-1]
        _report(failed, count)
        return count

    @activity.defn(name="inbox.fetch_missing_events")
    async def fetch_missing_events(self) -> int:
        """Fetch the events that no webhook delivered from Stripe's own list; returns how many.

        Raises:
            ApplicationError: Stripe is away or refuses, typed as in `activities.stripe_client`; or some events could
                not be delivered. The others were.
        """
        now = utc_now()
        listed = await self._listed(now - _LOOK_BACK, now - _OVERDUE_AFTER)
        async with self._database.transaction() as db:
            lost = await missing_events(db, [event.id for event in listed])
        failed = sum([not await self._hand_on(_kept(event)) for event in listed if event.id in lost])
        _report(failed, len(lost))
        return len(lost)

    @activity.defn(name="inbox.note_unknown_payment")
    async def note_unknown_payment(self, event_id: str) -> None:
        """Note on an event that Stripe does not know its payment."""
        async with self._database.transaction() as db:
            await note_event(db, event_id, "Stripe does not know its payment")

    async def _hand_on(self, event: StripeWebhookEvent) -> bool:
        """Keep an event if it is not kept yet, and deliver it to its workflow; False if only this one fails.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError, TemporalAwayError: the database or Temporal is away.
        """
        activity.heartbeat()
        try:
            await deliver_event(self._database, self._client, self._task_queue, event)
        except Exception as error:
            if _is_away(error):
                raise
            # The error's text may quote the row.
            log.error("event %s cannot be handed on: %s", event.event_id, type(error).__name__)  # noqa: TRY400
            return False
        return True

    async def _listed(self, since: datetime, until: datetime) -> list[stripe.Event]:
        """The relevant events, oldest first."""
        params: EventListParams = {
            "created": {"gte": int(since.timestamp()), "lte": int(until.timestamp())},
            "types": sorted(KNOWN),
            "limit": _PAGE,
        }
        with translated_errors(write=False):
            page = await self._stripe.events.list_async(params)
            return [event async for event in page.auto_paging_iter()][::-1]


def _is_away(error: Exception) -> bool:
    """Whether the next event would fail in the same way: a service is away, or refuses every event."""
    cause = error.__cause__ if isinstance(error, TemporalAwayError) else error
    if isinstance(cause, RPCError):
        return cause.status in _AWAY
    if isinstance(error, TemporalAwayError):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    return isinstance(error, OSError | RuntimeError | SQLAlchemyError)


def _report(failed: int, of: int) -> None:
    if failed:
        raise ApplicationError(f"{failed} of {of} events could not be handed on", type="events_left")


def _kept(event: stripe.Event) -> StripeWebhookEvent:
    subject = subject_of(event.data.object.to_dict())
    return StripeWebhookEvent(
        event_id=event.id,
        event_type=event.type,
        booking_id=subject.booking_id,
        session_id=subject.session_id,
        payment_intent_id=subject.payment_intent_id,
        received_at=datetime.now(UTC),
    )
