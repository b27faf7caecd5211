"""Every step on money with everything that Stripe, or the way to it, can do wrong; Stripe's ledger decides.

In each case the activity either says truly what became of the money, or fails by a name that says whether to
retry; and however it is repeated, the step is taken once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.payments import Payments
from tests.activities.money_steps import STEPS, MoneyStepCase
from tests.activities.payment_driver import PaymentDriver, PaymentPageVisit
from tests.storage.rows import HotelRows

each_step = pytest.mark.parametrize("step", STEPS, ids=str)


@dataclass(frozen=True)
class StripeFaultCase:
    """A fault, and what comes of it.

    Args:
        fault: as it is ordered.
        error: the error's type; None where the step is taken all the same.
        final: the error is not worth a retry under the same key.
        heals: a repeat under the same key takes the step; otherwise it takes a new generation.
        hasty: by a client that soon stops waiting.
    """

    name: str
    fault: dict[str, Any]
    error: str | None = None
    final: bool = False
    heals: bool = True
    hasty: bool = False

    def __str__(self) -> str:
        return self.name


def _refusal(status: int, code: str | None = None, type_: str = "invalid_request_error") -> dict[str, Any]:
    return {"kind": "error_before", "status": status, "code": code, "type": type_}


# Each of these is met by every step.
CASES = [
    # Stripe keeps an answered 5xx under its key for a day, and replays it.
    StripeFaultCase(
        "500 before", {"kind": "error_before", "status": 500}, "stripe_failed", final=True, heals=False
    ),
    StripeFaultCase("500 after the effect", {"kind": "error_after", "status": 500}),
    # The client's own repeat heals one lost packet; two are for the activity's next attempt.
    StripeFaultCase("one connection cut before", {"kind": "drop_before"}),
    StripeFaultCase("connections cut before", {"kind": "drop_before", "times": 2}, "stripe_unanswered"),
    StripeFaultCase("connection cut after the effect", {"kind": "drop_after"}),
    StripeFaultCase("no answer", {"kind": "hang", "times": 2}, "stripe_unanswered", hasty=True),
    StripeFaultCase("no answer after the effect", {"kind": "hang_after"}, hasty=True),
    StripeFaultCase("key in use", {**_refusal(409, "idempotency_key_in_use"), "times": 2}, "stripe_busy"),
    StripeFaultCase("429", _refusal(429, "rate_limit"), "stripe_busy"),
    StripeFaultCase(
        "402", _refusal(402, "card_declined", "card_error"), "stripe_refused", final=True, heals=False
    ),
]
# These are distinguished before it is known which step they met: the capture stands for all.
FURTHER_CASES = [
    StripeFaultCase("503", {"kind": "error_before", "status": 503}, "stripe_failed", final=True, heals=False),
    StripeFaultCase("429 lock", _refusal(429, "lock_timeout"), "stripe_busy"),
    StripeFaultCase("400", _refusal(400, "amount_too_large"), "stripe_refused", final=True),
    StripeFaultCase(
        "400 key of another request", _refusal(400, None, "idempotency_error"), "stripe_refused", final=True
    ),
    StripeFaultCase("401", _refusal(401), "stripe_key_rejected", final=True),
    # The second time without the fee, which the key might not be allowed to read.
    StripeFaultCase("403", {**_refusal(403), "times": 2}, "stripe_key_rejected", final=True),
    StripeFaultCase("404", _refusal(404, "resource_missing"), "stripe_unknown", final=True),
]
MET = [(step, case) for case in CASES for step in STEPS] + [(STEPS[0], case) for case in FURTHER_CASES]


async def refused(attempt: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as failure:
        await attempt
    return failure.value


@each_step
async def test_without_a_fault(
    driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments, step: MoneyStepCase
) -> None:
    """Taken once, by one request whose key names booking, step, run and generation; a repeat asks for nothing."""
    visit = await step.prepare(driver, hotel_rows)
    before = len(await driver.requests(step.writes_at(visit)))
    for _ in range(2):
        found = await step.take(driver, payments, visit)
        assert found.status is step.done
        assert await step.effects(driver, visit) == 1
    [entry] = (await driver.requests(step.writes_at(visit)))[before:]
    own = visit.session_id if step.name == "expire_session" else visit.intent_id
    assert (
        entry["idempotency_key"]
        == {
            "capture": f"booking:{visit.booking.booking_id}:capture:run:1",
            "release": f"booking:{visit.booking.booking_id}:release:{own}:abandoned:run:1",
            "refund": f"booking:{visit.booking.booking_id}:refund:{own}:0-15000:run:1",
            "expire_session": f"booking:{visit.booking.booking_id}:expire:{own}:run:1",
        }[step.name]
    )


@pytest.mark.parametrize(("step", "case"), MET, ids=str)
async def test_with_a_fault(
    driver: PaymentDriver,
    hotel_rows: HotelRows,
    payments: Payments,
    hasty_payments: Payments,
    step: MoneyStepCase,
    case: StripeFaultCase,
) -> None:
    """The activity's answer is true, and the step happens once however it continues."""
    visit = await step.prepare(driver, hotel_rows)
    asking = hasty_payments if case.hasty else payments
    fault = await driver.stripe.order(step.writes_at(visit), **case.fault)
    if case.error is None:
        assert (await step.take(driver, asking, visit)).status is step.done
    else:
        error = await refused(step.take(driver, asking, visit))
        assert (error.type, error.non_retryable) == (case.error, case.final)
        assert await step.effects(driver, visit) == 0
        await _go_on(driver, payments, visit, step, case)
    assert await driver.stripe.hits(fault) == case.fault.get("times", 1)
    assert await step.effects(driver, visit) == 1
    # A later generation does nothing a second time.
    assert (await step.take(driver, payments, visit, generation=7)).status is step.done
    assert await step.effects(driver, visit) == 1


async def _go_on(
    driver: PaymentDriver,
    payments: Payments,
    visit: PaymentPageVisit,
    step: MoneyStepCase,
    case: StripeFaultCase,
) -> None:
    if case.heals:
        assert (await step.take(driver, payments, visit)).status is step.done
        return
    # The stored answer comes again under the old key, and only under the old key.
    again = await refused(step.take(driver, payments, visit))
    assert (again.type, again.non_retryable) == (case.error, case.final)
    assert (await driver.requests(step.writes_at(visit)))[-1]["replayed"]
    assert await step.effects(driver, visit) == 0
    assert (await step.take(driver, payments, visit, generation=2)).status is step.done


@pytest.mark.parametrize(
    ("fault", "error", "final"),
    [
        ({"kind": "error_before", "status": 500, "times": 2}, "stripe_failed", False),
        ({"kind": "drop_before", "times": 2}, "stripe_unanswered", False),
        ({"kind": "error_before", "status": 429}, "stripe_busy", False),
        ({"kind": "error_before", "status": 403, "times": 2}, "stripe_key_rejected", True),
    ],
)
@each_step
async def test_nothing_is_written_unread(
    driver: PaymentDriver,
    hotel_rows: HotelRows,
    payments: Payments,
    step: MoneyStepCase,
    fault: dict[str, Any],
    error: str,
    final: bool,
) -> None:
    """The activity requests nothing of Stripe while it cannot read it."""
    visit = await step.prepare(driver, hotel_rows)
    before = len(await driver.requests(step.writes_at(visit)))
    await driver.stripe.order(step.reads_at(visit), **fault)
    failure = await refused(step.take(driver, payments, visit))
    assert (failure.type, failure.non_retryable) == (error, final)
    await driver.stripe.clear_faults()
    assert len(await driver.requests(step.writes_at(visit))) == before
    assert await step.effects(driver, visit) == 0


@each_step
async def test_an_unreadable_outcome_is_unknown(
    driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments, step: MoneyStepCase
) -> None:
    """The effect took place, its answer is a 500, and reading back fails too: retried, never called failed."""
    visit = await step.prepare(driver, hotel_rows)
    slow = await driver.stripe.order(step.writes_at(visit), "error_after", status=500, delay_s=0.3)
    taking = asyncio.create_task(step.take(driver, payments, visit))
    await driver.struck(slow)
    # The read that precedes the step is over by now: these strike the one that follows it.
    await driver.stripe.order(step.reads_at(visit), "error_before", status=500, times=2)
    failure = await refused(taking)
    assert (failure.type, failure.non_retryable) == ("stripe_failed", False)
    assert (await step.take(driver, payments, visit)).status is step.done
    assert await step.effects(driver, visit) == 1


@each_step
async def test_a_lost_key_is_no_loss(
    driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments, step: MoneyStepCase
) -> None:
    """A day later Stripe has forgotten the key; the repeat reads first, and asks for nothing."""
    visit = await step.prepare(driver, hotel_rows)
    await step.take(driver, payments, visit)
    writes = len(await driver.requests(step.writes_at(visit)))
    now = (await driver.stripe.ask("GET", "/_sandbox/clock"))["now"]
    try:
        await driver.stripe.ask("POST", "/_sandbox/clock", json={"now": now + 2 * 86400})
        assert (await step.take(driver, payments, visit)).status is step.done
    finally:
        await driver.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": 0})
    assert len(await driver.requests(step.writes_at(visit))) == writes
    assert await step.effects(driver, visit) == 1


@each_step
async def test_at_once(
    driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments, step: MoneyStepCase
) -> None:
    """An attempt that Temporal had given up, and the next one, under way together: taken once."""
    visit = await step.prepare(driver, hotel_rows)
    answers = await asyncio.gather(
        *(step.take(driver, payments, visit) for _ in range(4)), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, BaseException):
            assert isinstance(answer, ApplicationError)
            assert (answer.type, answer.non_retryable) == ("stripe_busy", False)
    assert await step.effects(driver, visit) == 1
    assert (await step.take(driver, payments, visit)).status is step.done
