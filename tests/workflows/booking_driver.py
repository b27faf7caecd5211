"""One booking under test: what its guest, the hotel's staff, operators and Stripe's Dashboard do with it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from dispatch.client import start_booking
from dispatch.names import run_continues
from domain.booking import ActorKind, Decision, ReasonCode, Status
from domain.decisions import CommandOutcome
from domain.identifiers import new_command_id
from domain.messages.answers import CommandResult, SessionAnswer, SessionRequest, WorkflowSnapshot
from domain.messages.signals import Command
from domain.messages.starts import SUBMIT_COMMAND, BookingTerms
from models import BookingCommand
from reconciliation.queries import terms_to_go_on
from sandbox.evidence import DecisionReply
from storage import bookings
from tests.workflows.booking_view import BookingView
from tests.workflows.hotels import StaffIds
from tests.workflows.servers import STRIPE_KEY, Json
from workflows.booking import BookingWorkflow

if TYPE_CHECKING:
    from tests.workflows.harness import WorkflowHarness

GOOD_CARD = "4242424242424242"
PENDING_REFUNDS_CARD = "4000000000007726"
FAILING_REFUNDS_CARD = "4000000000005126"
CHALLENGED_CARD = "4000002500003155"
DECLINED_CARD = "4000000000000002"
UNTIMED_CARD = "4000000000000077"


class BookingDriver(BookingView):
    """A booking, and everything that can be done to it."""

    def __init__(
        self, harness: WorkflowHarness, terms: BookingTerms, staff_ids: StaffIds, guest_email: str
    ) -> None:
        super().__init__(harness, terms, guest_email)
        self.staff_ids = staff_ids
        self.session: SessionAnswer | None = None
        self.payment_url: str | None = None

    # --- the guest ---

    async def submit(self) -> CommandResult:
        """Start the workflow, and wait until the row says so."""
        await start_booking(self._harness.client, self.terms, self._harness.task_queue)
        return await self.outcome(SUBMIT_COMMAND)

    async def open_page(self) -> SessionAnswer:
        """Open the payment page, or find the one that is open."""
        answer = await self.handle.execute_update(BookingWorkflow.payment_session, SessionRequest())
        if answer.payable:
            self.session = answer
            async with self._harness.database.transaction() as db:
                self.payment_url = await bookings.session_url(db, answer.session_id)
        return answer

    async def pay(self, card: str = GOOD_CARD, *, hold_s: int | None = None) -> httpx.Response:
        """Fill in the payment page's form. No webhook is brought by this."""
        assert self.payment_url is not None, "the page was not opened"
        return await self.fill_in(self.payment_url, card, hold_s=hold_s)

    async def fill_in(self, url: str, card: str = GOOD_CARD, *, hold_s: int | None = None) -> httpx.Response:
        """Fill in the form of a payment page."""
        form = {"card_number": card, "hold_seconds": str(hold_s or "")}
        return await self._harness.http.post(url, data=form)

    async def unnoted_page(
        self,
        *,
        amount_minor: int | None = None,
        currency: str | None = None,
        payment_names: str | None = None,
    ) -> str:
        """Open a page at Stripe that the product does not know, as when its answer gets lost; returns its address.

        Args:
            amount_minor: what it asks for, instead of the booking's total.
            currency: the same for the currency.
            payment_names: the booking id that its PaymentIntent carries, instead of the booking's.
        """
        form = {
            "mode": "payment",
            "success_url": "https://hotel.test/",
            "metadata[booking_id]": self.booking_id,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": (currency or self.terms.currency).lower(),
            "line_items[0][price_data][unit_amount]": str(amount_minor or self.terms.amount_minor),
            "line_items[0][price_data][product_data][name]": "A stay",
            "payment_intent_data[capture_method]": "manual",
            "payment_intent_data[metadata][booking_id]": payment_names or self.booking_id,
        }
        headers = {"Authorization": f"Bearer {STRIPE_KEY}"}
        session = await self._harness.stripe.ask("POST", "/v1/checkout/sessions", data=form, headers=headers)
        return str(session["url"])

    async def authenticate(self, *, passed: bool = True) -> httpx.Response:
        """End the 3-D Secure step of a card that asks for one."""
        assert self.payment_url is not None, "the page was not opened"
        form = {"result": "complete" if passed else "fail"}
        return await self._harness.http.post(f"{self.payment_url}/authenticate", data=form)

    async def come_back(self) -> WorkflowSnapshot:
        """Return from the payment page: the workflow asks Stripe."""
        return await self.handle.execute_update(BookingWorkflow.check_payment)

    async def place_hold(self, card: str = GOOD_CARD, *, hold_s: int | None = None) -> None:
        """Pay, and let every webhook arrive: the booking waits for a decision."""
        if self.session is None:
            await self.open_page()
        await self.pay(card, hold_s=hold_s)
        await self._harness.webhooks.deliver()
        await self._harness.wait_until_idle()

    # --- decisions ---

    async def send(
        self,
        decision: Decision,
        actor: ActorKind = ActorKind.STAFF,
        *,
        reason_code: ReasonCode | None = None,
        note: str | None = None,
        command_id: str | None = None,
        issued_at: datetime | None = None,
        refund_minor: int | None = None,
    ) -> str:
        """Ask for a decision and return its command id; its outcome is not waited for.

        Args:
            issued_at: when the API took it, if not now.
            refund_minor: what a manager wants refunded in all.
        """
        staff_id = None
        if actor is ActorKind.STAFF:
            staff_id = self.staff_ids.manager if decision is Decision.CANCEL else self.staff_ids.approver
        issued_at = issued_at or await self._harness.now()
        status_when_issued = await self.status()
        command_id = await self.keep(
            decision,
            actor,
            command_id=command_id or new_command_id(),
            reason_code=reason_code,
            reason_note=note,
            status_when_issued=status_when_issued,
            refund_minor=refund_minor,
            created_at=issued_at,
        )
        await self.signal(
            decision, command_id, actor, staff_id, reason_code, issued_at, status_when_issued, refund_minor
        )
        self._harness.asked[command_id] = (self.booking_id, decision)
        return command_id

    async def keep(self, decision: Decision, actor: ActorKind = ActorKind.STAFF, **fields: Any) -> str:
        """Keep a decision in the books, and return its command id; `fields` are further ones of its row."""
        values: dict[str, Any] = {"command_id": new_command_id(), "created_at": await self._harness.now()}
        row = BookingCommand(booking_id=self.booking_id, kind=decision, actor=actor, **values | fields)
        async with self._harness.database.transaction() as db:
            await bookings.open_command(db, row)
        return row.command_id

    async def signal(self, decision: Decision, command_id: str, *more: Any) -> None:
        """Signal a decision that is in the books; `more` are the other fields of `Command`."""
        await self.handle.signal(str(decision), Command(command_id, *more))

    async def outcome(self, command_id: str) -> CommandResult:
        """Wait until a command has come out; the books tell it where the workflow has ended."""
        try:
            result = await self._outcome_in_this_run_or_the_next(command_id)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            result = await self._outcome_in_the_books(command_id)
        if command_id in self._harness.asked:
            booking_id, decision = self._harness.asked[command_id]
            settled = result.outcome is CommandOutcome.SETTLED
            self._harness.answers.append(DecisionReply(booking_id, decision, settled))
        return result

    async def _outcome_in_this_run_or_the_next(self, command_id: str) -> CommandResult:
        while True:
            try:
                return await self.handle.execute_update(BookingWorkflow.await_outcome, command_id)
            except WorkflowUpdateFailedError as error:
                if not run_continues(error):
                    raise
            except RPCError:
                # The test server, unlike the real one, says so too where the run has just gone on as another.
                if await self.is_over():
                    raise

    async def _outcome_in_the_books(self, command_id: str) -> CommandResult:
        outcome = await self.recorded_outcome(command_id)
        assert outcome is not None, f"{self.booking_id} has ended and left {command_id} open"
        row = await self.row()
        return CommandResult(outcome=CommandOutcome(outcome), status=Status(row.status), version=row.version)

    async def recorded_outcome(self, command_id: str) -> str | None:
        """A decision's outcome in the database; None while it is open."""
        async with self._harness.database.transaction() as db:
            command = await db.get(BookingCommand, command_id)
        assert command is not None, f"{command_id} was not kept"
        return command.outcome

    async def approve(self) -> CommandResult:
        """Staff take the booking."""
        return await self.outcome(await self.send(Decision.APPROVE))

    async def decline(self, reason_code: ReasonCode | None = None, note: str | None = None) -> CommandResult:
        """Staff turn the booking down."""
        return await self.outcome(await self.send(Decision.DECLINE, reason_code=reason_code, note=note))

    async def cancel(self, actor: ActorKind = ActorKind.GUEST) -> CommandResult:
        """The guest, or staff, cancel."""
        return await self.outcome(await self.send(Decision.CANCEL, actor))

    async def retry(self) -> CommandResult:
        """An operator retries the booking's failed steps."""
        command = Command(new_command_id(), ActorKind.OPERATOR)
        await self.handle.signal(BookingWorkflow.retry, command)
        return await self.outcome(command.command_id)

    async def resolve(
        self, *, paid_elsewhere_minor: int | None = None, withdraw: bool = False, note: str | None = None
    ) -> CommandResult:
        """An operator says what they have done."""
        command_id = await self.keep_help(note)
        command = Command(
            command_id,
            ActorKind.OPERATOR,
            paid_elsewhere_minor=paid_elsewhere_minor,
            withdraw=withdraw,
        )
        await self.handle.signal(BookingWorkflow.resolve, command)
        return await self.outcome(command_id)

    async def keep_help(self, note: str | None = None) -> str:
        """Keep a `resolve` in the books, and return its command id."""
        row = BookingCommand(
            command_id=new_command_id(),
            booking_id=self.booking_id,
            kind="resolve",
            actor=ActorKind.OPERATOR,
            reason_note=note,
            created_at=await self._harness.now(),
        )
        async with self._harness.database.transaction() as db:
            await bookings.open_command(db, row)
        return row.command_id

    # --- a lost workflow ---

    async def lose_workflow(self) -> None:
        """Someone terminates the workflow in the Temporal UI."""
        await self.handle.terminate("by mistake")

    async def give_back_workflow(self) -> None:
        """Start another one, as reconciliation does, with nothing that is sent afterwards."""
        version = (await self.row()).version
        async with self._harness.database.transaction() as db:
            terms = await terms_to_go_on(
                db,
                self.booking_id,
                version,
                authorization_margin_s=self.terms.authorization_margin_s,
                payment_poll_s=self.terms.payment_poll_s,
            )
        assert terms is not None
        await start_booking(self._harness.client, terms, self._harness.task_queue)
        await self._harness.wait_until_idle()

    # --- Stripe's Dashboard ---

    async def dashboard(self, action: str, body: Json | None = None) -> Json:
        """Act on the booking's PaymentIntent: `capture`, `cancel`, `refund`, `lapse`."""
        intent = await self.intent()
        path = f"/_sandbox/dashboard/payment_intents/{intent['id']}/{action}"
        found: Json = await self._harness.stripe.ask("POST", path, json=body or {})
        return found

    async def dispute(self) -> None:
        """The cardholder disputes the charge."""
        charge = (await self.intent())["charge"]
        await self._harness.stripe.ask("POST", f"/_sandbox/dashboard/charges/{charge}/dispute", json={})

    async def submit_evidence(self) -> None:
        """Staff answer the dispute in Stripe's Dashboard."""
        charge = (await self.intent())["charge"]
        await self._harness.stripe.ask("POST", f"/_sandbox/dashboard/charges/{charge}/dispute/evidence")

    async def close_dispute(self, *, won: bool) -> None:
        """The bank decides on the dispute."""
        charge = (await self.intent())["charge"]
        path = f"/_sandbox/dashboard/charges/{charge}/dispute/close"
        await self._harness.stripe.ask("POST", path, json={"won": won})

    async def hint(self, event_type: str) -> None:
        """Let Stripe send an event of this type about the booking's PaymentIntent, at once."""
        subject = {"type": event_type, "id": (await self.intent())["id"]}
        await self._harness.stripe.ask("POST", "/_sandbox/events", json=subject)
        await self._harness.webhooks.deliver(event_type)
