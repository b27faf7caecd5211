"""M9: what other systems say about an error is found in no history and no log, causes included.

Each stand-in quotes an address (`sandbox.faults.CANARY`) in its error texts. The harness' own check looks for it in
all histories and in what the worker logs; here it is seen that there was something to find.
"""

from __future__ import annotations

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowUpdateFailedError

from domain.booking import Decision, Status
from sandbox.faults import CANARY
from tests.workflows.harness import WorkflowHarness
from tests.workflows.invariants import collect
from tests.workflows.servers import PUSHER


async def _finds_nothing(harness: WorkflowHarness, *, said: str) -> None:
    evidence = await collect(harness)
    assert said in "".join(evidence.logs.values()), "the error itself was logged"
    assert CANARY not in "".join([*evidence.logs.values(), *(evidence.histories or {}).values()])


@pytest.mark.parametrize("status", [400, 402, 403])
async def test_words_of_stripe_stay_where_they_are(harness: WorkflowHarness, status: int) -> None:
    """`Invalid email address: …`, say, on opening a payment page."""
    booking = await harness.submitted()
    await harness.stripe.order(
        "POST /v1/checkout/sessions",
        "error_before",
        status=status,
        message=f"Invalid email address: {CANARY}",
    )
    with pytest.raises(WorkflowUpdateFailedError):
        await booking.open_page()
    await harness.wait_until_idle()
    await _finds_nothing(harness, said="stripe_key_rejected" if status == 403 else "stripe_refused")


async def test_words_of_the_mail_server_stay_where_they_are(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await harness.stand_ins.mail.order("RCPT *", "error_before", status=550, times=1)
    await booking.place_hold()
    await harness.wait_until_idle()
    await _finds_nothing(harness, said="mail_refused")
    assert (await booking.row()).needs_attention
    await booking.retry()


async def test_words_of_pusher_stay_where_they_are(harness: WorkflowHarness) -> None:
    batch = f"POST /apps/{PUSHER.app_id}/batch_events"
    await harness.stand_ins.pusher.order(batch, "error_before", status=403, times=2)
    await harness.submitted()
    await harness.advance(minutes=1)
    await _finds_nothing(harness, said="pusher_failed")


async def test_words_of_the_database_stay_where_they_are(harness: WorkflowHarness) -> None:
    """An error of PostgreSQL's quotes the row."""
    booking = await harness.submitted()
    command_id = await booking.keep(Decision.APPROVE, reason_note=f"a note about {CANARY}")
    async with harness.database.transaction() as db:
        await db.execute(text("ALTER TABLE booking_command ADD CONSTRAINT none CHECK (closed_at IS NULL)"))
    await booking.signal(Decision.APPROVE, command_id)
    await harness.wait_until_idle()
    async with harness.database.transaction() as db:
        await db.execute(text("ALTER TABLE booking_command DROP CONSTRAINT none"))
    await harness.advance(minutes=1)
    await _finds_nothing(harness, said="IntegrityError")
    assert await booking.status() is Status.PENDING_PAYMENT
