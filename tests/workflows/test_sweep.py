"""The sweep: each of its steps is on its own, and when all were done is remembered."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, update
from sqlmodel import col
from temporalio.client import WorkflowFailureError

from dispatch.names import SWEEP_WORKFLOW
from dispatch.ui_texts import DELETE_DRAFTS
from models import Booking, PaymentSession, utc_now
from storage.bookings import booking_by_id
from storage.housekeeping import SWEEP_JOB, last_complete
from tests.workflows.harness import WorkflowHarness


async def sweep(harness: WorkflowHarness) -> None:
    """Run one as the Schedule does."""
    await harness.client.execute_workflow(
        SWEEP_WORKFLOW, id=f"sweep-{secrets.token_hex(4)}", task_queue=harness.settings.temporal_task_queue
    )


async def completed_at(harness: WorkflowHarness) -> datetime | None:
    async with harness.database.reading() as db:
        return await last_complete(db, SWEEP_JOB)


async def old_draft(harness: WorkflowHarness) -> str:
    booking_id = (await harness.draft()).booking_id
    async with harness.database.transaction() as db:
        long_ago = utc_now() - timedelta(days=3)
        await db.execute(
            update(Booking).where(col(Booking.booking_id) == booking_id).values(created_at=long_ago)
        )
    return booking_id


async def is_kept(harness: WorkflowHarness, booking_id: str) -> bool:
    async with harness.database.reading() as db:
        return await booking_by_id(db, booking_id) is not None


async def test_refused_permission_keeps_no_other_step_from_its_work(harness: WorkflowHarness) -> None:
    """Drafts go though the key may not read events; the sweep says which step failed, and is not complete."""
    draft = await old_draft(harness)
    await harness.stand_ins.stripe.order("GET /v1/events", "error_before", status=403, times=None)
    before = await completed_at(harness)
    with pytest.raises(WorkflowFailureError) as failure:
        await sweep(harness)
    assert str(failure.value.cause) == "sweep_incomplete: failed: Fetch Stripe events that never arrived"
    assert not await is_kept(harness, draft)
    assert await completed_at(harness) == before

    await harness.stand_ins.stripe.clear_faults()
    await sweep(harness)
    after = await completed_at(harness)
    assert after is not None
    assert before is None or after > before


async def test_draft_that_cannot_be_deleted_leaves_the_sweep_incomplete(harness: WorkflowHarness) -> None:
    """The other drafts go; once nothing refers to this one, a sweep deletes it and is complete."""
    odd, other = await old_draft(harness), await old_draft(harness)
    async with harness.database.transaction() as db:
        db.add(PaymentSession(session_id=f"cs_{odd}", booking_id=odd, url="https://x", expires_at=utc_now()))
    before = await completed_at(harness)
    with pytest.raises(WorkflowFailureError) as failure:
        await sweep(harness)
    assert str(failure.value.cause) == f"sweep_incomplete: failed: {DELETE_DRAFTS}"
    assert [await is_kept(harness, draft) for draft in (odd, other)] == [True, False]
    assert await completed_at(harness) == before

    async with harness.database.transaction() as db:
        await db.execute(delete(PaymentSession).where(col(PaymentSession.booking_id) == odd))
    await sweep(harness)
    assert not await is_kept(harness, odd)
    assert await completed_at(harness) != before
