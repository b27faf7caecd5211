"""Reconciliation compares twice, within its rate limit, page by page, and counts nothing twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from domain.booking import Status
from models import utc_now
from reconciliation.comparison import Comparison
from reconciliation.findings import FindingKind
from reconciliation.queries import bookings_to_compare, database_snapshots
from reconciliation.run_queries import begin_run, count_batch, finish_run
from reconciliation.runs import Plan, Tally
from reconciliation.stripe_reader import StripeReader
from reconciliation.temporal_reader import TemporalReader
from tests.management.harness import ManagementHarness
from tests.management.inconsistencies import unseen_hold
from workflows.booking import BookingWorkflow


def _nothing() -> None:
    """A heartbeat without effect."""


def _comparison(harness: ManagementHarness) -> Comparison:
    books = StripeReader(harness.stripe_client, _nothing)
    return Comparison(harness.database, books, TemporalReader(harness.client, _nothing))


async def test_a_step_on_its_way_is_no_finding(shared_harness: ManagementHarness) -> None:
    """A booking may move between two reads: only a lasting difference counts."""
    booking = await unseen_hold(shared_harness)
    comparison = _comparison(shared_harness)
    reading = await comparison.read(utc_now() - timedelta(days=1))
    async with shared_harness.database.transaction() as db:
        rows = await database_snapshots(db, [booking.booking_id])
    [(finding, _)] = await comparison.find(reading, rows.values())
    assert finding.kind is FindingKind.HOLD_NOT_RECORDED

    await booking.handle.execute_update(BookingWorkflow.check_payment)

    assert await booking.status() is Status.PENDING_APPROVAL
    assert await comparison.find(reading, rows.values()) == []


async def test_stripe_may_ask_for_patience(shared_harness: ManagementHarness) -> None:
    fault = await shared_harness.stripe.order(
        "GET /v1/payment_intents", "error_before", status=429, type="rate_limit_error", times=1
    )
    exit_status, said = await shared_harness.reconcile("--dry-run")
    assert exit_status in {0, 1}
    assert said["compared"]["bookings"] >= 0
    assert await shared_harness.stripe.hits(fault) == 1


async def test_stripe_is_asked_few_things_at_once_and_not_too_fast(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.declined()
    [payment] = await booking.payments()
    books = StripeReader(shared_harness.stripe_client, _nothing)
    started = asyncio.get_running_loop().time()
    found = await asyncio.gather(*(books.payment(payment["id"]) for _ in range(12)))
    assert all(found)
    # Twelve requests have eleven pauses of a tenth of a second between them.
    assert asyncio.get_running_loop().time() - started > 1.0


async def test_stripe_is_read_to_the_last_page(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.declined()
    places = asyncio.Semaphore(8)

    async def page() -> str:
        async with places:
            return await booking.strange_page()

    opened = await asyncio.gather(*(page() for _ in range(101)))
    found = await StripeReader(shared_harness.stripe_client, _nothing).open_pages()
    assert {item.session_id for item in found if item.booking_id == booking.booking_id} == set(opened)


async def test_bookings_are_compared_batch_by_batch(harness: ManagementHarness) -> None:
    bookings = [await harness.draft() for _ in range(3)]
    old = await harness.draft()
    await old.set(status=Status.DECLINED, updated_at=utc_now() - timedelta(days=30))
    since = utc_now() - timedelta(days=7)
    async with harness.database.transaction() as db:
        first = await bookings_to_compare(db, 0, since, 2)
        rest = await bookings_to_compare(db, first[-1][0], since, 2)
    ids = [row.booking_id for _, row in [*first, *rest]]
    assert (len(first), ids) == (2, [booking.booking_id for booking in bookings])
    # One that asks for a person is compared however long ago it ended.
    await old.set(needs_attention=True)
    async with harness.database.transaction() as db:
        assert old.booking_id in {row.booking_id for _, row in await bookings_to_compare(db, 0, since, 10)}


async def test_a_repeated_step_counts_nothing_twice(shared_harness: ManagementHarness) -> None:
    plan = Plan(run_id="a-run-of-two-batches", started_at=utc_now())
    async with shared_harness.database.transaction() as db:
        for _ in range(2):
            await begin_run(db, plan)
        for _ in range(2):
            await count_batch(db, plan.run_id, after=0, next_after=7, counted=Tally(bookings=5))
        assert not (await finish_run(db, plan.run_id, utc_now())).complete
        for _ in range(2):
            await count_batch(db, plan.run_id, after=7, next_after=None, counted=Tally(bookings=2))
        tally = await finish_run(db, plan.run_id, utc_now())
    assert (tally.bookings, tally.complete) == (7, True)
