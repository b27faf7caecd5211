"""Money of a booking whose own workflow has ended: a late hold, a refund or dispute after check-in."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.bookings import STALE_VERSION, Bookings
from domain.booking import Status
from domain.messages import Command, StrayBooking, StrayNews
from workflows import options
from workflows.booking_state import Story
from workflows.notifications import Herald
from workflows.payment_steps import MoneyStuckError, Till, failure
from workflows.unmatched_payments import settle_news


@workflow.defn
class StrayMoneyWorkflow:
    """Settles one piece of news, then ends. The booking stays as it is; its money and timeline do not."""

    @workflow.init
    def __init__(self, stray: StrayNews) -> None:
        self._stray = stray
        self._asked = False
        self._flagged_with: str | None = None

    @workflow.run
    async def run(self, stray: StrayNews) -> None:
        """Look into the news until it is settled, with an operator's help where Stripe refuses."""
        herald = Herald(stray.booking_id, stray.hotel_slug, on_mail_lost=workflow.logger.warning)
        generation = 1
        while True:
            row = await workflow.execute_activity_method(
                Bookings.read_for_stray, stray.booking_id, summary="Read the booking", **options.DATABASE
            )
            story = self._story(row, herald)
            till = Till(stray.booking_id, row.amount_minor, row.currency, generation=generation)
            try:
                if await self._settled(story, till):
                    break
            except ActivityError as error:
                # Another one of these was quicker to write: what it left is looked at anew.
                if failure(error)[0] != STALE_VERSION:
                    raise
            generation = till.generation
        await herald.drain()

    async def _settled(self, story: Story, till: Till) -> bool:
        try:
            await settle_news(story, till, self._stray.news)
        except MoneyStuckError as stuck:
            await self._wait_for_operator(story, str(stuck))
            return False
        if self._flagged_with is not None and story.attention == self._flagged_with:
            # It is still up where another writer came between when it was to be taken down.
            await story.clear_attention()
        return True

    def _story(self, row: StrayBooking, herald: Herald) -> Story:
        story = Story(
            self._stray.booking_id,
            self._stray.hotel_slug,
            herald,
            status=Status(row.status),
            version=row.version,
            database_options=options.DATABASE_SHARED,
        )
        story.payment_intent_id = row.payment_intent_id
        story.refunded_minor = row.amount_refunded_minor
        story.attention = row.needs_attention
        return story

    async def _wait_for_operator(self, story: Story, reason: str) -> None:
        await story.ask_for_person(reason)
        self._flagged_with = story.attention
        await workflow.wait_condition(lambda: self._asked)
        self._asked = False
        await story.clear_attention()

    @workflow.signal
    def retry(self, command: Command) -> None:  # noqa: ARG002  the booking's own signal takes it too
        """An operator wants Stripe asked again."""
        self._asked = True
