"""A world that Hypothesis acts on: two bookings, everything that can be done to them, and what must then hold."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from dispatch.events import BOOKING_MEMO
from dispatch.message_converter import DATA_CONVERTER
from domain.booking import ActorKind, Decision
from domain.identifiers import workflow_id
from domain.messages.signals import Command
from sandbox.invariants import check
from storage.room_blocks import RoomsTakenError
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.empty_tasks import with_empty_tasks
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import free_again, sell_elsewhere
from tests.workflows.invariants import collect, collect_rows, histories_of
from tests.workflows.servers import Json
from tests.workflows.situations import event_about_nobody
from worker import WORKFLOWS
from workflows.options import INPUTS_MOST

ALWAYS = frozenset({"M4", "M10"})
"""Promises that hold at every moment, whatever is under way; the others once nothing is.

What is published, logged or written into histories stays: that is searched for guest data (M9) then, too.
"""

_AFTER_EVERYTHING = timedelta(hours=30)
_HEAL_ROUNDS = 4
_CROWD = 8
"""Temporal lets ten callers wait on one workflow at a time."""
_CROWDS = INPUTS_MOST // _CROWD
_ANSWERED_WITHIN_S = 0.5

_event_numbers = itertools.count(1)


class SearchHarness:
    """One run: the bookings, what is still awaited, and the faults that have been ordered."""

    def __init__(self, harness: WorkflowHarness) -> None:
        self.harness = harness
        self.bookings: list[BookingDriver] = []
        self.lost: list[Json] = []
        self._orders: set[str] = set()
        """Ids of the stand-ins' faults that have not struck as often as was ordered."""
        self._awaited: list[asyncio.Task[Any]] = []
        self._excused: frozenset[str] = frozenset()

    # --- steps ---

    async def book(self, **terms: Any) -> None:
        """Make and submit a booking."""
        booking = await self.harness.draft(**terms)
        self.bookings.append(booking)
        self._begin(booking.submit())
        await self.harness.wait_until_idle()

    async def open_page(self, booking: BookingDriver) -> None:
        """Ask for the payment page; the answer may come later, or never."""
        self._begin(booking.open_page())
        await self.harness.wait_until_idle()

    async def pay(self, booking: BookingDriver, card: str, hold_s: int | None) -> None:
        """Fill in the payment page, if one was opened; no webhook is brought by this."""
        if booking.payment_url is not None:
            await booking.pay(card, hold_s=hold_s)

    async def pay_beside(self, booking: BookingDriver, **page: Any) -> None:
        """Fill in a page that the product does not know: its hold may come too late, or be a wrong one."""
        # A fault ordered for the product's requests may hit this one: then there is no such page.
        with suppress(AssertionError, httpx.HTTPError):
            await booking.fill_in(await booking.unnoted_page(**page))

    async def ask_stripe(self, booking: BookingDriver) -> None:
        """The guest comes back from the payment page."""
        self._begin(booking.come_back())
        await self.harness.wait_until_idle()

    async def flood(self, booking: BookingDriver) -> None:
        """A crowd asks how the payment stands, so often that the workflow goes on in its next run."""
        for _ in range(_CROWDS):
            crowd = [self._begin(booking.come_back()) for _ in range(_CROWD)]
            # The test server's clock stands for good if a query, as of `wait_until_idle`, comes as a run ends.
            await asyncio.wait(crowd, timeout=_ANSWERED_WITHIN_S)
            await self.harness.wait_until_idle()

    async def decide(self, booking: BookingDriver, decisions: list[tuple[Decision, ActorKind]]) -> None:
        """Ask for one or more decisions in the same moment."""
        sent = await asyncio.gather(
            *(booking.send(decision, actor) for decision, actor in decisions), return_exceptions=True
        )
        for command_id in sent:
            if isinstance(command_id, str):
                self._begin(booking.outcome(command_id))
            elif not isinstance(command_id, RPCError):
                raise command_id
        await self.harness.wait_until_idle()

    async def dashboard(self, booking: BookingDriver, action: str, body: Json | None) -> None:
        """Act in Stripe's Dashboard, where that is possible."""
        for intent in (await booking.ledger())["payment_intents"]:
            path = f"/_sandbox/dashboard/payment_intents/{intent['id']}/{action}"
            await self.harness.http.post(self.harness.stripe.url + path, json=body or {})

    async def dispute(self, booking: BookingDriver, *, won: bool | None) -> None:
        """The cardholder disputes what was captured; the bank decides, or takes its time."""
        for intent in (await booking.ledger())["payment_intents"]:
            path = f"{self.harness.stripe.url}/_sandbox/dashboard/charges/{intent['charge']}/dispute"
            await self.harness.http.post(path, json={})
            if won is not None:
                await self.harness.http.post(f"{path}/close", json={"won": won})

    async def deliver(self, match: str, *, backwards: bool, copies: int) -> None:
        """Bring the webhooks that wait."""
        await self.harness.webhooks.deliver(match, backwards=backwards, copies=copies)
        await self.harness.wait_until_idle()

    async def deliver_unknown(self, booking: BookingDriver) -> None:
        """Bring an event that names the booking and a payment unknown to Stripe."""
        event = event_about_nobody(booking, f"evt_about_nobody_{next(_event_numbers)}")
        await self.harness.webhooks.deliver_event(event)
        await self.harness.wait_until_idle()

    async def lose(self) -> None:
        """Let the webhooks that wait be lost; what looks for lost events finds them in the end."""
        self.lost += await self.harness.webhooks.collect()
        self.harness.webhooks.waiting = []

    async def lose_workflow(self, booking: BookingDriver) -> None:
        """With the page open, someone terminates the workflow, and reconciliation starts another one.

        Not where a call waits for the workflow, or a step is under way: a real caller asks again, and the whole of
        reconciliation, of which this is a part, looks for payments that only the lost workflow knew.
        """
        await self.open_page(booking)
        await self._collect_answers()
        if not self._awaited and await self._rests(workflow_id(booking.booking_id)):
            await booking.lose_workflow()
            await booking.give_back_workflow()

    async def _rests(self, id_: str) -> bool:
        """Whether a workflow has not ended, and waits for someone or for its time."""
        found = await self.harness.describe(id_)
        if found is None or found.status is not WorkflowExecutionStatus.RUNNING:
            return False
        return not found.raw_description.pending_activities

    async def order(self, match: str, kind: str, status: int, times: int) -> None:
        """Let Stripe misbehave."""
        self._orders.add(await self.harness.stripe.order(match, kind, status=status, times=times))

    async def refuse_mail(self, status: int, times: int) -> None:
        """Let mailboxes refuse what they are brought. Such a mail waits for someone, who comes at the end."""
        self._excused = frozenset({"M8"})
        mail = self.harness.stand_ins.mail
        self._orders.add(await mail.order("RCPT *", "error_before", status=status, times=times))

    async def sell_rooms(self, booking: BookingDriver, rooms: int) -> None:
        """Let the hotel sell rooms of the booking's type elsewhere, if it still has so many."""
        with suppress(RoomsTakenError):
            await sell_elsewhere(self.harness.database, await booking.row(), rooms)

    async def free_rooms(self, booking: BookingDriver) -> None:
        """Let these rooms become free again."""
        await free_again(self.harness.database, await booking.row())

    async def break_activity(self, match: str, mode: FaultMode, times: int) -> None:
        """Let attempts of activities fail."""
        activity_faults = self.harness.activity_faults
        # The server gives a task that fails again and again out ever more rarely, for longer than the harness waits.
        if mode is not FaultMode.TASK_LOST or not activity_faults.loses_tasks:
            activity_faults.order(match, mode, times)

    async def advance(self, **time_: float) -> None:
        """Let time pass, while webhooks are held back."""
        self.harness.webhooks.is_paused = True
        await self.harness.advance(**time_)
        self.harness.webhooks.is_paused = False

    async def fail_refunds(self, booking: BookingDriver) -> None:
        """The bank sends back what was refunded, where it can."""
        for refund in (await booking.ledger())["refunds"]:
            path = f"/_sandbox/dashboard/refunds/{refund['id']}/fail"
            await self.harness.http.post(self.harness.stripe.url + path, json={})

    async def operate(self, booking: BookingDriver, signal: str, **resolution: Any) -> None:
        """An operator's `retry` or `resolve`; `resolution` says what they have done (`Command`)."""
        command_id = await booking.keep_help("We kept it." if "withdraw" in resolution else None)
        command = Command(command_id, ActorKind.OPERATOR, **resolution)
        # Signals go to one workflow after the other until one accepts, as the commands do.
        one_by_one = bool(resolution)
        ids = [workflow_id(booking.booking_id), *await self.harness.running_ended_booking_payments()]
        for id_ in ids:
            try:
                await self.harness.client.get_workflow_handle(id_).signal(signal, command)
            except RPCError:
                continue
            await self.harness.wait_until_idle()
            if one_by_one:
                break

    def _begin(self, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        self._awaited.append(self.harness.later(_forgiving(call)))
        return self._awaited[-1]

    # --- what must hold ---

    async def find_violations(self) -> list[str]:
        """Violations: of every promise where nothing is under way, else of those that hold at any moment."""
        await self.harness.wait_until_idle()
        await self._collect_answers()
        calm = await self._is_calm()
        evidence = await (collect(self.harness, histories=False) if calm else collect_rows(self.harness))
        return [
            f"{result.code}: {violation}"
            for result in check(evidence, now=await self.harness.now())
            if result.code in ALWAYS or (calm and result.code not in self._excused)
            for violation in result.violations
        ]

    async def _collect_answers(self) -> None:
        done = [task for task in self._awaited if task.done()]
        self._awaited = [task for task in self._awaited if not task.done()]
        for task in done:
            task.result()

    async def _is_calm(self) -> bool:
        if self.lost or await self._has_faults() or await self.harness.webhooks.collect():
            return False
        for id_ in self.harness.workflow_ids():
            description = await self.harness.describe(id_)
            if description and description.raw_description.pending_activities:
                return False
        return True

    async def _has_faults(self) -> bool:
        """Whether a stand-in's fault is still to strike."""
        stand_ins = self.harness.stand_ins
        for stand_in in (stand_ins.stripe, stand_ins.mail) if self._orders else ():
            for fault in (await stand_in.ask("GET", "/_sandbox/faults"))["faults"]:
                if fault["hits"] >= fault["times"]:
                    self._orders.discard(fault["id"])
        return bool(self._orders)

    async def end(self) -> list[str]:
        """Mend everything, bring what was lost, let operators help and time pass; then nothing may be amiss."""
        self.harness.activity_faults.clear_faults()
        await self.harness.stand_ins.clear_faults()
        self._orders.clear()
        for event in self.lost:
            await self.harness.webhooks.deliver_event(event)
        self.lost.clear()
        for _ in range(_HEAL_ROUNDS):
            await self.harness.advance(minutes=50)
            for booking in self.bookings:
                if (await booking.row()).needs_attention:
                    await self.operate(booking, "retry")
        await self.harness.advance_to(await self.harness.now() + _AFTER_EVERYTHING)
        await self._collect_answers()
        for task in self._awaited:
            task.cancel()
        found = check(await collect(self.harness), now=await self.harness.now())
        violations = [f"{result.code}: {text}" for result in found for text in result.violations]
        return [*violations, *await self._waiting_for_nobody(), *await self._replay_failures()]

    async def _replay_failures(self) -> list[str]:
        """Runs that do not replay once empty workflow tasks are inserted."""
        replayer = Replayer(
            workflows=WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner(), data_converter=DATA_CONVERTER
        )
        failures = []
        for id_ in self.harness.workflow_ids():
            if await self.harness.describe(id_) is None:
                continue
            async for history in histories_of(self.harness, id_):
                replayed = await replayer.replay_workflow(
                    with_empty_tasks(history), raise_on_replay_failure=False
                )
                failures += [
                    f"{id_} does not replay: {error}" for error in (replayed.replay_failure,) if error
                ]
        return failures

    async def _waiting_for_nobody(self) -> list[str]:
        """Workflows of ended bookings' money that wait for a person whom nothing calls."""
        calling = {booking.booking_id for booking in self.bookings if (await booking.row()).needs_attention}
        waiting = await self.harness.running_ended_booking_payments()
        handles = {id_: self.harness.client.get_workflow_handle(id_) for id_ in waiting}
        of_booking = {
            id_: await (await handle.describe()).memo_value(BOOKING_MEMO) for id_, handle in handles.items()
        }
        return [
            f"M5: {id_} waits, and nobody is called"
            for id_, about in of_booking.items()
            if about not in calling
        ]


async def _forgiving(call: Coroutine[Any, Any, Any]) -> Any:
    """An error that the API would answer as 409 or 503 is no defect of the workflow."""
    try:
        return await call
    except (
        WorkflowUpdateFailedError,
        WorkflowUpdateRPCTimeoutOrCancelledError,
        RPCError,
        httpx.HTTPError,
    ):
        return None


DECIDE = [
    (Decision.APPROVE, ActorKind.STAFF),
    (Decision.DECLINE, ActorKind.STAFF),
    (Decision.CANCEL, ActorKind.GUEST),
    (Decision.CANCEL, ActorKind.STAFF),
]
