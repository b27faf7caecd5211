"""Hypothesis looks for an order of events that breaks a promise.

The suite looks at a few examples, always the same ones. `SEARCH_EXAMPLES=200 .venv/bin/python -m pytest
tests/workflows/test_search.py -s` looks at as many others, and takes a second or two for each;
`python -m tests.workflows.search` does so in several processes at once.
A failure prints the steps that led to it, and a `@reproduce_failure(…)` to put on `BookingStateMachine` for a while;
the next run on the same machine tries it first. `--hypothesis-seed=N` repeats a whole run; its own seed is not printed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, reject
from hypothesis import settings as search_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from temporalio.service import RPCError

from settings import Settings
from storage.database import Database
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import (
    CHALLENGED_CARD,
    DECLINED_CARD,
    FAILING_REFUNDS_CARD,
    GOOD_CARD,
    PENDING_REFUNDS_CARD,
    UNTIMED_CARD,
)
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import ROOMS
from tests.workflows.search_harness import DECIDE, SearchHarness
from tests.workflows.servers import StandInClients
from tests.workflows.temporal import ProductWorker, TimeSkippingServer

ASKED_FOR = int(os.environ.get("SEARCH_EXAMPLES", "0"))
EXAMPLES = ASKED_FOR or 8
STEPS, _STEP_PATIENCE_S, _TELL_EVERY = 14, 60, 10

_ROUTES = [
    "POST /v1/payment_intents/*/capture",
    "POST /v1/payment_intents/*/cancel",
    "POST /v1/refunds",
    "POST /v1/checkout/sessions",
    "POST /v1/checkout/sessions/*/expire",
    "GET /v1/payment_intents/*",
    "GET /v1/checkout/sessions/*",
]
_ACTIVITIES = ["payments.*", "bookings.record", "emails.send", "realtime.publish", "*"]
_CARDS = [
    *[GOOD_CARD] * 4,
    UNTIMED_CARD,
    DECLINED_CARD,
    CHALLENGED_CARD,
    PENDING_REFUNDS_CARD,
    FAILING_REFUNDS_CARD,
]
_EVENTS = ["*", "payment_intent.*", "checkout.session.*", "charge.*", "refund.*"]

which = st.integers(0, 1)


class BookingStateMachine(RuleBasedStateMachine):
    """Guests, staff, webhooks, the Dashboard, the clock, operators and faults, in any order."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    servers: ClassVar[tuple[TimeSkippingServer, StandInClients, Database, Settings, ProductWorker]]
    examples: ClassVar[int] = 0
    steps: ClassVar[int] = 0
    given_up: ClassVar[int] = 0
    over: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.search: SearchHarness | None = None

    def do(self, step: Coroutine[Any, Any, Any]) -> Any:
        """Carry a step out on the test's own event loop."""
        if self.over:
            # The test was given up: its thread must not go on in the world of the next one.
            step.close()
            raise RuntimeError("the search is over")
        type(self).steps += 1
        try:
            return asyncio.run_coroutine_threadsafe(step, self.loop).result(_STEP_PATIENCE_S)
        except (TimeoutError, RPCError) as error:
            # The test server's clock jams now and then, or the server dies. A workflow that does not come to
            # rest is another matter, and fails.
            self.search = None
            type(self).given_up += 1
            print(f"given up, the test server does not answer: {error!r}", file=sys.stderr)
            reject()

    @property
    def current_search(self) -> SearchHarness:
        """The run; there is one once a booking was made."""
        assert self.search is not None
        return self.search

    def booking(self, number: int) -> Any:
        """One of the bookings."""
        return self.current_search.bookings[number % len(self.current_search.bookings)]

    @initialize(
        second=st.booleans(),
        sla_h=st.sampled_from([2, 24, 400]),
        window_h=st.sampled_from([1, 24]),
        fee=st.sampled_from([0, 30, 100]),
        check_in_days=st.sampled_from([3, 20]),
        poll_s=st.sampled_from([1800, 7200]),
    )
    def begin(
        self, second: bool, sla_h: int, window_h: int, fee: int, check_in_days: int, poll_s: int
    ) -> None:
        """Make one or two bookings."""
        type(self).examples += 1
        if self.examples % _TELL_EVERY == 0:
            print(f"{self.examples} examples, {self.steps} steps", file=sys.stderr, flush=True)
        temporal, _, _, _, product_worker = self.servers
        self.do(product_worker.call(forgetful=temporal.cache_plugin.forgetful))
        harness = WorkflowHarness(*self.servers)
        self.search = SearchHarness(harness)
        self.do(harness.open())
        for _ in range(1 + second):
            self.do(
                self.current_search.book(
                    approval_sla_s=sla_h * 3600,
                    payment_window_s=window_h * 3600,
                    late_cancel_fee_percent=fee,
                    check_in_days=check_in_days,
                    payment_poll_s=poll_s,
                )
            )

    @rule(number=which)
    def open_page(self, number: int) -> None:
        """The guest wants to pay."""
        self.do(self.current_search.open_page(self.booking(number)))

    @rule(number=which, card=st.sampled_from(_CARDS), hold_s=st.sampled_from([None, None, 900, 40_000]))
    def pay(self, number: int, card: str, hold_s: int | None) -> None:
        """The guest fills in the page."""
        self.do(self.current_search.pay(self.booking(number), card, hold_s))

    @rule(
        number=which,
        page=st.sampled_from(
            [
                *[{}] * 2,
                {"amount_minor": 100},
                {"currency": "usd"},
                {"currency": "bhd"},
                {"payment_names": "BK-NONE"},
            ]
        ),
    )
    def pay_beside(self, number: int, page: dict[str, Any]) -> None:
        """The guest fills in an unknown page, which may ask for another amount."""
        self.do(self.current_search.pay_beside(self.booking(number), **page))

    @rule(
        number=which,
        card=st.sampled_from([GOOD_CARD, GOOD_CARD, FAILING_REFUNDS_CARD]),
        hold_s=st.sampled_from([None, 900]),
    )
    def place_hold(self, number: int, card: str, hold_s: int | None) -> None:
        """A guest pays without ado, and the webhooks arrive."""
        self.do(self.current_search.open_page(self.booking(number)))
        self.do(self.current_search.pay(self.booking(number), card, hold_s))
        self.do(self.current_search.deliver("*", backwards=False, copies=1))

    @rule(number=which)
    def come_back(self, number: int) -> None:
        """The guest returns to the hotel's page."""
        self.do(self.current_search.ask_stripe(self.booking(number)))

    @rule(number=which)
    def flood(self, number: int) -> None:
        """Strangers ask again and again, until the history is full."""
        self.do(self.current_search.flood(self.booking(number)))

    @rule(number=which, decisions=st.lists(st.sampled_from(DECIDE), min_size=1, max_size=3))
    def decide(self, number: int, decisions: list[Any]) -> None:
        """Someone decides, or several do at once."""
        self.do(self.current_search.decide(self.booking(number), decisions))

    @rule(
        number=which,
        act=st.sampled_from(
            [
                ("capture", None),
                ("capture", {"amount": 5000}),
                ("cancel", None),
                ("refund", None),
                ("refund", {"amount": 2000}),
                ("lapse", None),
            ]
        ),
    )
    def dashboard(self, number: int, act: tuple[str, dict[str, int] | None]) -> None:
        """Someone acts in Stripe's Dashboard, or the hold lapses."""
        self.do(self.current_search.dashboard(self.booking(number), *act))

    @rule(number=which)
    def fail_refunds(self, number: int) -> None:
        """The bank sends refunds back, days after they succeeded."""
        self.do(self.current_search.fail_refunds(self.booking(number)))

    @rule(number=which)
    def cancel_and_fail(self, number: int) -> None:
        """The guest cancels, the refund is refused, and a second reason comes with the Dashboard's own refund."""
        self.do(self.current_search.order("POST /v1/refunds", "error_before", 402, 1))
        self.do(self.current_search.decide(self.booking(number), DECIDE[2:3]))
        self.do(self.current_search.dashboard(self.booking(number), "refund", {"amount": 2000}))
        self.do(self.current_search.fail_refunds(self.booking(number)))
        self.do(self.current_search.deliver("*", backwards=False, copies=1))

    @rule(number=which, won=st.sampled_from([None, False, True]))
    def dispute(self, number: int, won: bool | None) -> None:
        """The cardholder disputes the charge."""
        self.do(self.current_search.dispute(self.booking(number), won=won))

    @rule(match=st.sampled_from(_EVENTS), backwards=st.booleans(), copies=st.integers(1, 3))
    def deliver(self, match: str, backwards: bool, copies: int) -> None:
        """Webhooks arrive, in some order, once or more."""
        self.do(self.current_search.deliver(match, backwards=backwards, copies=copies))

    @rule(number=which)
    def deliver_unknown(self, number: int) -> None:
        """A webhook is about a payment that Stripe does not know."""
        self.do(self.current_search.deliver_unknown(self.booking(number)))

    @rule()
    def lose(self) -> None:
        """Webhooks are lost."""
        self.do(self.current_search.lose())

    @rule(number=which)
    def lose_workflow(self, number: int) -> None:
        """Someone terminates the workflow while the page is open, and reconciliation starts another one."""
        self.do(self.current_search.lose_workflow(self.booking(number)))

    @rule(
        match=st.sampled_from(_ROUTES),
        kind=st.sampled_from(["error_before", "error_after", "drop_before", "drop_after"]),
        status=st.sampled_from([500, 503, 429, 409, 400, 402]),
        times=st.integers(1, 3),
    )
    def break_stripe(self, match: str, kind: str, status: int, times: int) -> None:
        """Stripe will misbehave, or refuse."""
        self.do(self.current_search.order(match, kind, status, times))

    @rule(status=st.sampled_from([451, 550]), times=st.integers(1, 2))
    def refuse_mail(self, status: int, times: int) -> None:
        """Mailboxes will take no mail, for now or for good."""
        self.do(self.current_search.refuse_mail(status, times))

    @rule(number=which, rooms=st.sampled_from([None, ROOMS - 1, ROOMS, ROOMS]))
    def sell_rooms(self, number: int, rooms: int | None) -> None:
        """The hotel sells rooms elsewhere, all or all but one, or has them back."""
        search = self.current_search
        booking = self.booking(number)
        self.do(search.sell_rooms(booking, rooms) if rooms else search.free_rooms(booking))

    @rule(times=st.integers(1, 3))
    def lose_task(self, times: int) -> None:
        """The worker will die right after a change was written within its workflow task."""
        self.do(self.current_search.break_activity("bookings.record", FaultMode.TASK_LOST, times))

    @rule(match=st.sampled_from(_ACTIVITIES), mode=st.sampled_from(list(FaultMode)), times=st.integers(1, 2))
    def break_activity(self, match: str, mode: FaultMode, times: int) -> None:
        """Attempts will fail, before or after their effect, or hang."""
        self.do(self.current_search.break_activity(match, mode, times))

    @rule(minutes=st.sampled_from([1, 20, 90, 60 * 13, 60 * 30, 60 * 24 * 8]))
    def let_time_pass(self, minutes: int) -> None:
        """The clock moves."""
        self.do(self.current_search.advance(minutes=minutes))

    @rule(number=which, signal=st.sampled_from(["retry", "resolve"]))
    def operate(self, number: int, signal: str) -> None:
        """An operator helps, needed or not."""
        self.do(self.current_search.operate(self.booking(number), signal))

    @rule(
        number=which,
        resolution=st.sampled_from(
            [{"withdraw": True}, *({"paid_elsewhere_minor": minor} for minor in (1, 5000, 10500, 15000))]
        ),
    )
    def resolve(self, number: int, resolution: dict[str, Any]) -> None:
        """An operator says that the guest was paid elsewhere, or withdraws a cancellation; true or not."""
        self.do(self.current_search.operate(self.booking(number), "resolve", **resolution))

    @invariant()
    def promises_hold(self) -> None:
        """All invariants hold now."""
        if self.search is not None:
            assert self.do(self.search.find_violations()) == []

    def teardown(self) -> None:
        """Once everything is mended and has come to rest, every promise holds."""
        if self.search is None:
            return
        try:
            assert self.do(self.search.end()) == []
        finally:
            self.do(self.search.harness.close())


@pytest.mark.timeout(max(600, 30 * EXAMPLES))
async def test_no_order_of_events_breaks_an_invariant(
    temporal: TimeSkippingServer,
    served_stand_ins: StandInClients,
    database: Database,
    settings: Settings,
    product_worker: ProductWorker,
) -> None:
    """Everything that can happen, in any order, leaves every promise kept."""
    BookingStateMachine.loop = asyncio.get_running_loop()
    BookingStateMachine.servers = (temporal, served_stand_ins, database, settings, product_worker)
    how = search_settings(
        max_examples=EXAMPLES,
        derandomize=not ASKED_FOR,
        stateful_step_count=STEPS,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    )
    try:
        await asyncio.to_thread(run_state_machine_as_test, BookingStateMachine, settings=how)
    finally:
        machine = BookingStateMachine
        machine.over = True
        summary = f"{machine.examples} examples, {machine.steps} steps, {machine.given_up} examples given up"
        print(f"\n{summary}")
    assert machine.examples - machine.given_up >= 0.9 * EXAMPLES, summary
