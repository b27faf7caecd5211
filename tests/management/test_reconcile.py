"""`reconcile`: each way the three sides can disagree is found; safe differences are healed, others reported."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import jsonschema
import pytest
from temporalio.client import WorkflowExecutionStatus

from domain.booking import Status
from models import StripeWebhookEvent
from reconciliation.findings import FindingKind, FindingOutcome, Remedy, RoomsSnapshot
from reconciliation.room_queries import rooms_of
from reconciliation.run_queries import findings_of
from storage.tables import ReconciliationRun
from tests.management.booking_driver import ManagementBookingDriver
from tests.management.harness import ManagementHarness, eventually
from tests.management.inconsistencies import HEALED, LEFT, NOBODY, make_all
from tests.workflows.servers import Json
from workflows.booking import BookingWorkflow


@dataclass(frozen=True)
class ReconcileOutput:
    """One muddle of each kind, and what a run said of them."""

    bookings: dict[FindingKind, ManagementBookingDriver]
    said: Json
    exit_status: int

    def found(self, kind: FindingKind) -> Json:
        """The finding of this kind, about the booking in which it was made."""
        booking_id = NOBODY if kind is FindingKind.PAYMENT_WITHOUT_BOOKING else self.bookings[kind].booking_id
        found: list[Json] = [
            row for row in self.said["findings"] if (row["kind"], row["booking_id"]) == (kind, booking_id)
        ]
        assert len(found) == 1, found
        return found[0]


@pytest.fixture(scope="module")
async def result(shared_harness: ManagementHarness) -> ReconcileOutput:
    bookings = await make_all(shared_harness)
    exit_status, said = await shared_harness.reconcile()
    return ReconcileOutput(bookings, said, exit_status)


def test_every_kind_is_tested() -> None:
    assert HEALED.keys() | LEFT.keys() == set(FindingKind)
    assert HEALED.keys() == _HEALTHY.keys()


@pytest.mark.parametrize("kind", HEALED)
async def test_what_is_safe_is_healed(result: ReconcileOutput, kind: FindingKind) -> None:
    assert result.found(kind)["outcome"] == "healed"
    booking, is_healthy = result.bookings[kind], _HEALTHY[kind]
    await eventually(f"{kind} to be healed", lambda: is_healthy(booking))


@pytest.mark.parametrize("kind", LEFT)
async def test_what_is_not_safe_is_left_to_people(result: ReconcileOutput, kind: FindingKind) -> None:
    found = result.found(kind)
    remedy = "rebuild_claims" if kind is FindingKind.OVERBOOKED else "report"
    assert (found["outcome"], found["remedy"]) == ("left", remedy)
    assert found["detail"]
    assert result.exit_status == 1


async def _has_its_rooms(booking: ManagementBookingDriver) -> bool:
    row = await booking.row()
    async with booking.harness.database.transaction() as db:
        return (await rooms_of(db, [row]))[row.booking_id] == RoomsSnapshot(2, 2)


async def _runs_and_can_be_paid(booking: ManagementBookingDriver) -> bool:
    await booking.pay()
    await booking.handle.execute_update(BookingWorkflow.check_payment)
    return await booking.status() is Status.PENDING_APPROVAL


async def _is_submitted(booking: ManagementBookingDriver) -> bool:
    return await booking.status() is Status.PENDING_PAYMENT


async def _hears_operators(booking: ManagementBookingDriver) -> bool:
    said = await booking.harness.done("booking", "resolve", booking.booking_id)
    return "nothing left to do" in said and not (await booking.row()).needs_attention


async def _told_its_guest_and_ended(booking: ManagementBookingDriver) -> bool:
    query = {"booking_id": booking.booking_id, "to": booking.guest_email}
    mails = await booking.harness.stand_ins.mail.ask("GET", "/_sandbox/messages", params=query)
    ended = (await booking.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    return ended and f"Booking Update - {booking.booking_id}" in [mail["subject"] for mail in mails]


async def _waits_for_a_decision(booking: ManagementBookingDriver) -> bool:
    return await booking.status() is Status.PENDING_APPROVAL


async def _is_declined(booking: ManagementBookingDriver) -> bool:
    row = await booking.row()
    return (row.status, row.reason_code) == ("DECLINED", "AUTHORIZATION_EXPIRED")


async def _is_confirmed_by_stripe(booking: ManagementBookingDriver) -> bool:
    row = await booking.row()
    return (row.status, row.amount_captured_minor, row.decision_made_by) == ("CONFIRMED", 15000, "stripe")


async def _gave_the_second_back(booking: ManagementBookingDriver) -> bool:
    statuses = sorted(payment["status"] for payment in await booking.payments())
    is_pending = await booking.status() is Status.PENDING_APPROVAL
    return (
        is_pending
        and statuses == ["canceled", "requires_capture"]
        and "unmatched_payment_returned" in await booking.events()
    )


async def _gave_it_back(booking: ManagementBookingDriver) -> bool:
    kept_minor = [payment["amount_received"] - payment["refunded"] for payment in await booking.payments()]
    held = [payment for payment in await booking.payments() if payment["status"] == "requires_capture"]
    ended = await booking.status() is Status.DECLINED
    return (
        ended and not held and not any(kept_minor) and "unmatched_payment_returned" in await booking.events()
    )


async def _counted_the_refund(booking: ManagementBookingDriver) -> bool:
    return (await booking.row()).amount_refunded_minor == 5000


async def _recorded_the_dispute(booking: ManagementBookingDriver) -> bool:
    return "dispute_recorded" in await booking.events()


async def _closed_the_page(booking: ManagementBookingDriver) -> bool:
    query = {"booking_id": booking.booking_id}
    ledger = await booking.harness.stripe.ask("GET", "/_sandbox/ledger", params=query)
    return all(session["status"] != "open" for session in ledger["sessions"])


async def _closed_the_decision(booking: ManagementBookingDriver) -> bool:
    said = await booking.harness.done("booking", "show", booking.booking_id)
    return "already_decided" in said and "not yet" not in said


async def _processed_the_event(booking: ManagementBookingDriver) -> bool:
    async with booking.harness.database.transaction() as db:
        event = await db.get_one(StripeWebhookEvent, f"evt_left_{booking.booking_id}")
    return event.processed_at is not None and event.note is None


_HEALTHY: dict[FindingKind, Callable[[ManagementBookingDriver], Awaitable[bool]]] = {
    FindingKind.WORKFLOW_MISSING: _runs_and_can_be_paid,
    FindingKind.SUBMISSION_LOST: _is_submitted,
    FindingKind.ATTENTION_WITHOUT_WORKFLOW: _hears_operators,
    FindingKind.END_NOT_ANNOUNCED: _told_its_guest_and_ended,
    FindingKind.HOLD_NOT_RECORDED: _waits_for_a_decision,
    FindingKind.HOLD_GONE: _is_declined,
    FindingKind.CAPTURE_NOT_RECORDED: _is_confirmed_by_stripe,
    FindingKind.SECOND_PAYMENT: _gave_the_second_back,
    FindingKind.HOLD_AFTER_END: _gave_it_back,
    FindingKind.MONEY_AFTER_END: _gave_it_back,
    FindingKind.REFUND_NOT_RECORDED: _counted_the_refund,
    FindingKind.DISPUTE_NOT_RECORDED: _recorded_the_dispute,
    FindingKind.PAGE_OPEN: _closed_the_page,
    FindingKind.DECISION_LEFT_OPEN: _closed_the_decision,
    FindingKind.EVENT_UNPROCESSED: _processed_the_event,
    FindingKind.CLAIMS_DIFFER: _has_its_rooms,
}


async def test_paid_stay_is_recorded_beyond_the_limit(result: ReconcileOutput) -> None:
    booking = result.bookings[FindingKind.OVERBOOKED]
    row = await booking.row()
    async with booking.harness.database.transaction() as db:
        found = await rooms_of(db, [row])
    assert found == {row.booking_id: RoomsSnapshot(2, 2, is_beyond=True)}


async def test_it_adds_up_and_matches_its_schema(result: ReconcileOutput) -> None:
    said = result.said
    jsonschema.validate(said, _SCHEMA)
    outcomes = [found["outcome"] for found in said["findings"]]
    assert said["found"] == len(outcomes)
    assert (said["healed"], said["left"]) == (outcomes.count("healed"), outcomes.count("left"))
    assert said["compared"]["bookings"] == len(result.bookings)
    assert said["compared"]["unprocessed_events"] == 1


async def test_a_run_is_kept_with_what_it_found(
    shared_harness: ManagementHarness, result: ReconcileOutput
) -> None:
    async with shared_harness.database.transaction() as db:
        run = await db.get_one(ReconciliationRun, result.said["run_id"])
        findings = await findings_of(db, run.run_id)
    assert (run.started_by, run.complete, run.dry_run) == ("operator", True, False)
    assert run.finished_at is not None
    assert (run.healed, run.left_open) == (result.said["healed"], result.said["left"])
    assert len(findings) == result.said["found"]


async def test_nothing_of_a_guest_is_in_it(result: ReconcileOutput) -> None:
    text = json.dumps(result.said)
    assert not [word for booking in result.bookings.values() for word in booking.private if word in text]


async def test_show_names_what_was_left(shared_harness: ManagementHarness, result: ReconcileOutput) -> None:
    booking = result.bookings[FindingKind.AMOUNT_DIFFERS]
    assert "Reconciliation found amount differs" in await shared_harness.done(
        "booking", "show", booking.booking_id
    )


async def test_bookings_in_order_are_no_findings(harness: ManagementHarness) -> None:
    for make in (harness.draft, harness.submitted, harness.held, harness.confirmed, harness.declined):
        await make()
    exit_status, said = await harness.reconcile()
    assert (exit_status, said["findings"]) == (0, [])
    assert said["compared"] == {"bookings": 5, "payments": 3, "open_pages": 0, "unprocessed_events": 0}
    assert "agree" in await harness.done("reconcile")


_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": "integer", "minimum": 0}
_SCHEMA: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        "run_id", "started_at", "since", "dry_run", "compared", "found", "healed", "planned", "left", "findings",
    ],
    "properties": {
        "run_id": {"type": "string"},
        "started_at": {"type": "string"},
        "since": {"type": "string"},
        "dry_run": {"type": "boolean"},
        "compared": {
            "type": "object",
            "additionalProperties": False,
            "required": ["bookings", "payments", "open_pages", "unprocessed_events"],
            "properties": {
                "bookings": _COUNT, "payments": _COUNT, "open_pages": _COUNT, "unprocessed_events": _COUNT,
            },
        },
        "found": _COUNT,
        "healed": _COUNT,
        "planned": _COUNT,
        "left": _COUNT,
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    "booking_id", "status", "kind", "subject", "remedy", "outcome", "detail", "found_at",
                ],
                "properties": {
                    "booking_id": _TEXT_OR_NULL,
                    "status": {"enum": [*Status, None]},
                    "kind": {"enum": list(FindingKind)},
                    "subject": _TEXT_OR_NULL,
                    "remedy": {"enum": list(Remedy)},
                    "outcome": {"enum": list(FindingOutcome)},
                    "detail": {"type": "string"},
                    "found_at": {"type": "string"},
                },
            },
        },
    },
}  # fmt: skip
