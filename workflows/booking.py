"""One booking, from submission until check-in.

Everything that reaches a booking — a guest's request, a decision, news from Stripe — is put into one queue
in the order of its arrival, and one loop works it off. So the first signal in the history wins, no two
steps on the same money overlap, and a handler does no more than note what came.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.bookings import BOOKING_GONE
from domain.booking import ActorKind, Decision, Event, Status
from domain.messages import (
    SUBMIT_COMMAND,
    BookingTerms,
    BookingView,
    Command,
    Outcome,
    PaymentNews,
    SessionAnswer,
    SessionRequest,
)
from workflows.booking_state import Story
from workflows.decision_phase import DecisionPhase
from workflows.message_queue import Desk
from workflows.notifications import Herald
from workflows.payment_phase import PaymentPhase
from workflows.payment_steps import Till, failure
from workflows.queue_messages import (
    CheckAsked,
    DecisionAsked,
    MailLost,
    NewsCame,
    OperatorAsked,
    SessionAsked,
)
from workflows.stay_phase import StayPhase


@workflow.defn
class BookingWorkflow:
    """Owns one booking: its status, its deadlines, and every step on its money."""

    @workflow.init
    def __init__(self, terms: BookingTerms) -> None:
        self._terms = terms
        self._herald = Herald(
            terms.booking_id, terms.hotel_slug, on_mail_lost=lambda reason: self._desk.put(MailLost(reason))
        )
        self._story = Story(
            terms.booking_id, terms.hotel_slug, self._herald, status=Status.DRAFT, version=terms.version
        )
        self._desk = Desk(self._story)
        # Whoever asked the lost workflow comes before any signal and any timer of this one.
        for asked in terms.resume.decisions if terms.resume else ():
            self._desk.put(DecisionAsked(asked.decision, asked.command))
        self._till = Till(terms.booking_id, terms.amount_minor, terms.currency)
        self._payment = PaymentPhase(terms, self._story, self._desk, self._till, self._herald)
        self._stay = StayPhase(terms, self._story, self._desk, self._till, self._herald)

    @workflow.run
    async def run(self, terms: BookingTerms) -> BookingView:  # noqa: ARG002  kept by __init__
        """Take the payment, wait for the decision, keep the booking until check-in."""
        if not await self._begin():
            await workflow.wait_condition(workflow.all_handlers_finished)
            return self.state()
        await self._payment.run()
        if self._story.status is Status.PENDING_APPROVAL:
            await self._decision().run()
        if self._story.status is Status.CONFIRMED:
            await self._stay.until_check_in()
        await self._leave()
        return self.state()

    async def _begin(self) -> bool:
        resume = self._terms.resume
        if resume is None:
            return await self._submit()
        self._story.take_up(resume)
        if resume.status is Status.PENDING_APPROVAL:
            await self._payment.find_hold_again(resume)
        self._desk.settled(SUBMIT_COMMAND)
        return True

    async def _submit(self) -> bool:
        try:
            await self._story.record(
                Event.SUBMITTED, actor=ActorKind.GUEST, payment_deadline=self._payment.closes_at
            )
        except ActivityError as error:
            if failure(error)[0] != BOOKING_GONE:
                raise
            # The draft was deleted while its submission was on the way: nothing was promised to anybody.
            self._story.over = True
            return False
        self._desk.settled(SUBMIT_COMMAND)
        return True

    def _decision(self) -> DecisionPhase:
        payment, deadline = self._payment.payment, self._payment.deadline
        assert payment is not None and deadline is not None, "PENDING_APPROVAL means that a card is held"  # noqa: PT018
        return DecisionPhase(
            self._terms,
            self._story,
            self._desk,
            self._till,
            self._herald,
            payment=payment,
            deadline=deadline,
        )

    async def _leave(self) -> None:
        """Come to an end with nobody left waiting; what arrives until the last moment is dealt with."""
        while True:
            await self._stay.see_off()
            await self._desk.drain()
            if self._desk.waiting:
                continue
            if workflow.all_handlers_finished():
                return
            self._story.over = True
            await workflow.wait_condition(lambda: workflow.all_handlers_finished() or self._desk.waiting)

    # --- signals: they only note what came; an exception here would block the workflow for ever ---

    @workflow.signal
    def authorized(self, news: PaymentNews) -> None:
        """Stripe says that a hold may have been placed."""
        self._note(news)

    @workflow.signal
    def payment_changed(self, news: PaymentNews) -> None:
        """Stripe says that something else about the money changed."""
        self._note(news)

    def _note(self, news: PaymentNews) -> None:
        if self._story.is_news(news):
            self._desk.put(NewsCame(news))

    @workflow.signal
    def approve(self, command: Command) -> None:
        """Staff take the booking: the hold is captured."""
        self._desk.put(DecisionAsked(Decision.APPROVE, command))

    @workflow.signal
    def decline(self, command: Command) -> None:
        """Staff turn the booking down: the hold is released."""
        self._desk.put(DecisionAsked(Decision.DECLINE, command))

    @workflow.signal
    def cancel(self, command: Command) -> None:
        """The guest, or staff after confirmation, cancel the booking."""
        self._desk.put(DecisionAsked(Decision.CANCEL, command))

    @workflow.signal
    def retry(self, command: Command) -> None:
        """An operator wants the step that got stuck tried again."""
        self._desk.put(OperatorAsked(command, settled=False))

    @workflow.signal
    def resolve(self, command: Command) -> None:
        """An operator has settled the matter by hand: look at Stripe, and do not try again."""
        self._desk.put(OperatorAsked(command, settled=True))

    # --- updates: they ask and wait, and are worth nothing if lost ---

    @workflow.update
    async def payment_session(self, request: SessionRequest) -> SessionAnswer:
        """Open a payment page, or find the one that is open."""
        # Its guest may be quicker than the news that the submission was written.
        if self._story.status is Status.DRAFT:
            await workflow.wait_condition(lambda: self._story.status is not Status.DRAFT or self._story.over)
        if self._story.status is not Status.PENDING_PAYMENT:
            return SessionAnswer()
        asked = SessionAsked(request)
        self._desk.put(asked)
        return await asked.answer

    @workflow.update
    async def check_payment(self) -> BookingView:
        """Ask Stripe for the truth, follow it, and tell where the booking stands then."""
        # While a decision is being carried out Stripe is being asked anyway.
        if (
            self._story.status in {Status.PENDING_PAYMENT, Status.PENDING_APPROVAL}
            and not self._desk.deciding
        ):
            asked = CheckAsked()
            self._desk.put(asked)
            await asked.answer
        return self.state()

    @workflow.update
    async def await_outcome(self, command_id: str) -> Outcome:
        """Wait until a command has come out."""
        return await self._desk.outcome(command_id)

    @workflow.query
    def state(self) -> BookingView:
        """Where the booking stands, in the workflow's own words."""
        deadline = self._payment.deadline
        return BookingView(
            status=self._story.status,
            version=self._story.version,
            waiting_for=self._story.waiting_for,
            pending_decision=self._desk.deciding,
            attention=self._story.attention,
            payment_intent_id=self._story.payment_intent_id,
            payment_deadline=self._payment.closes_at,
            decision_deadline=deadline.at if deadline else None,
        )
