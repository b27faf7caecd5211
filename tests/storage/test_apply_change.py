"""Writing a change: by compare-and-set, once, with its timeline, in one transaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.attention import Attention, AttentionCode
from domain.booking import ActorKind, Event, ReasonCode, Status
from domain.errors import IllegalTransitionError
from domain.messages.changes import Change, ChangeResult
from domain.roles import Role
from models import Booking
from storage.attention import as_attention, attention_of
from storage.bookings import BookingNotFoundError, StaleVersionError, apply_change
from storage.database import Database
from tests.storage.rows import T0, HotelRows, ask, book, change_of, held, row_of, steps_of


async def apply(database: Database, change: Change) -> ChangeResult:
    async with database.transaction() as db:
        return await apply_change(db, change)


async def reasons_of(database: Database, booking: Booking) -> list[Attention]:
    async with database.transaction() as db:
        return [as_attention(row) for row in await attention_of(db, booking)]


async def submitted(database: Database, hotel_rows: HotelRows) -> Booking:
    booking = await book(database, hotel_rows)
    await apply(database, change_of(booking, Event.SUBMITTED, actor=ActorKind.GUEST))
    return await row_of(database, booking.booking_id)


async def test_a_booking_is_written_from_end_to_end(database: Database, hotel_rows: HotelRows) -> None:
    """Each step raises the version by one and adds one row to the timeline; facts go to their columns."""
    booking = await submitted(database, hotel_rows)
    assert (booking.status, booking.version) == ("PENDING_PAYMENT", 2)
    deadline = T0 + timedelta(days=1)
    authorized = change_of(
        booking,
        Event.AUTHORIZED,
        actor=ActorKind.STRIPE,
        payment_intent_id=f"pi_{booking.booking_id}",
        authorized_at=T0 + timedelta(seconds=90),
        decision_deadline=deadline,
    )
    assert await apply(database, authorized) == ChangeResult(3, Status.PENDING_APPROVAL)
    booking = await row_of(database, booking.booking_id)
    assert booking.payment_provider == "stripe"
    assert booking.payment_intent_id == booking.payment_reference == f"pi_{booking.booking_id}"
    assert booking.payment_authorized_at == T0 + timedelta(seconds=90)
    assert booking.decision_deadline == deadline
    assert (booking.paid_at, booking.decision_made_at, booking.amount_captured_minor) == (None, None, 0)

    approved = change_of(
        booking,
        Event.APPROVED,
        actor=ActorKind.STAFF,
        staff_id=hotel_rows.approver_id,
        amount_captured_minor=15000,
    )
    assert await apply(database, approved) == ChangeResult(4, Status.CONFIRMED)
    booking = await row_of(database, booking.booking_id)
    approver = hotel_rows.staff[Role.APPROVER].email
    assert (booking.paid_at, booking.decision_made_at, booking.decision_made_by) == (
        approved.at,
        approved.at,
        approver,
    )
    assert (booking.amount_captured_minor, booking.amount_refunded_minor) == (15000, 0)
    assert (booking.updated_at, booking.reason_code) == (approved.at, None)
    assert [
        (step.version, step.from_status, step.to_status, step.event, step.actor)
        for step in await steps_of(database, booking.booking_id)
    ] == [
        (1, None, "DRAFT", "created", "guest"),
        (2, "DRAFT", "PENDING_PAYMENT", "submitted", "guest"),
        (3, "PENDING_PAYMENT", "PENDING_APPROVAL", "authorized", "stripe"),
        (4, "PENDING_APPROVAL", "CONFIRMED", "approved", approver),
    ]


async def test_the_clock_is_the_workflows(database: Database, hotel_rows: HotelRows) -> None:
    """A repeat writes the same time: none is taken from the computer."""
    booking = await submitted(database, hotel_rows)
    assert booking.updated_at == T0 + timedelta(minutes=1)
    assert [step.at for step in await steps_of(database, booking.booking_id)] == [
        T0,
        T0 + timedelta(minutes=1),
    ]


async def test_a_repeat_changes_nothing(database: Database, hotel_rows: HotelRows) -> None:
    """Also when the booking has moved on since: the answer is what the first one was."""
    booking = await book(database, hotel_rows)
    first = change_of(booking, Event.SUBMITTED)
    answer = await apply(database, first)
    assert await apply(database, first) == answer == ChangeResult(2, Status.PENDING_PAYMENT)
    booking = await row_of(database, booking.booking_id)
    await apply(database, change_of(booking, Event.PAYMENT_WINDOW_CLOSED))
    assert await apply(database, first) == answer
    assert [step.version for step in await steps_of(database, booking.booking_id)] == [1, 2, 3]
    assert (await row_of(database, booking.booking_id)).status == "EXPIRED"


async def test_a_repeat_by_a_later_clock_leaves_the_time_and_follows_the_instants_computed_from_it(
    database: Database, hotel_rows: HotelRows
) -> None:
    """A workflow task that is repeated reads another `now()`; until the next change the row follows the workflow."""
    booking = await book(database, hotel_rows)
    first = change_of(booking, Event.SUBMITTED, payment_deadline=T0 + timedelta(hours=24))
    answer = await apply(database, first)
    later = replace(
        first, at=first.at + timedelta(seconds=9), payment_deadline=T0 + timedelta(hours=24, seconds=9)
    )
    assert await apply(database, later) == answer
    row = await row_of(database, booking.booking_id)
    assert (row.updated_at, row.payment_deadline) == (first.at, later.payment_deadline)
    await apply(database, change_of(row, Event.PAYMENT_WINDOW_CLOSED))
    await apply(database, first)
    assert (await row_of(database, booking.booking_id)).payment_deadline == later.payment_deadline


async def test_a_stale_version_is_refused(database: Database, hotel_rows: HotelRows) -> None:
    """Whether the writer is behind, ahead, has another thing in mind, or is another workflow run."""
    booking = await submitted(database, hotel_rows)
    wrong = [
        replace(change_of(booking, Event.PAYMENT_WINDOW_CLOSED), expected_version=1),
        replace(change_of(booking, Event.PAYMENT_WINDOW_CLOSED), expected_version=0),
        replace(change_of(booking, Event.PAYMENT_WINDOW_CLOSED), expected_version=3),
        replace(change_of(booking, Event.SUBMITTED), expected_version=1, run_id="another"),
    ]
    for change in wrong:
        with pytest.raises(StaleVersionError, match=f"{booking.booking_id}: .* the row is at 2"):
            await apply(database, change)
    assert (await row_of(database, booking.booking_id)).version == 2
    assert len(await steps_of(database, booking.booking_id)) == 2


async def test_an_illegal_step_is_refused(database: Database, hotel_rows: HotelRows) -> None:
    """And leaves the row as it was."""
    booking = await submitted(database, hotel_rows)
    with pytest.raises(IllegalTransitionError):
        await apply(database, change_of(booking, Event.APPROVED, amount_captured_minor=15000))
    after = await row_of(database, booking.booking_id)
    assert (after.version, after.status, after.amount_captured_minor) == (2, "PENDING_PAYMENT", 0)


async def test_a_booking_that_is_gone_is_not_found(database: Database) -> None:
    """It says so by name."""
    with pytest.raises(BookingNotFoundError, match="BK-NOBODY"):
        await apply(database, Change(booking_id="BK-NOBODY", expected_version=1))


@pytest.mark.parametrize("writers", [2, 8])
async def test_writers_at_once(database: Database, hotel_rows: HotelRows, writers: int) -> None:
    """Different changes of one version: one is written, and the others fail because the row has moved."""
    booking = await held(database, hotel_rows)
    events = [Event.APPROVED, Event.DECLINED, Event.APPROVAL_TIMED_OUT, Event.CANCELLED_BY_GUEST] * 2
    changes = [
        change_of(booking, event, at=T0 + timedelta(minutes=number), run_id=f"run-{number}")
        for number, event in enumerate(events[:writers], 1)
    ]
    answers = await asyncio.gather(*(apply(database, change) for change in changes), return_exceptions=True)
    assert Counter(type(answer) for answer in answers) == {ChangeResult: 1, StaleVersionError: writers - 1}
    winner = changes[next(i for i, answer in enumerate(answers) if isinstance(answer, ChangeResult))]
    after = await row_of(database, booking.booking_id)
    assert (after.version, after.updated_at) == (4, winner.at)
    [step] = [step for step in await steps_of(database, booking.booking_id) if step.version == 4]
    assert (step.event, step.at, step.to_status) == (winner.event, winner.at, after.status)


async def test_one_change_eight_times_at_once(database: Database, hotel_rows: HotelRows) -> None:
    """A repeat that overtakes its original: written once, and all hear the same."""
    booking = await held(database, hotel_rows)
    change = change_of(booking, Event.APPROVED, amount_captured_minor=15000)
    answers = await asyncio.gather(*(apply(database, change) for _ in range(8)))
    assert set(answers) == {ChangeResult(4, Status.CONFIRMED)}
    assert (await row_of(database, booking.booking_id)).version == 4
    assert [step.version for step in await steps_of(database, booking.booking_id)] == [3, 4]


async def test_row_and_timeline_are_one(database: Database, hotel_rows: HotelRows) -> None:
    """An error after the change rolls all of it back."""
    booking = await held(database, hotel_rows)
    command = await ask(database, booking.booking_id, "decline", reason_note="Full")

    class CrashBeforeCommit(Exception):
        pass

    async def crash() -> None:
        async with database.transaction() as db:
            await apply_change(db, change_of(booking, Event.DECLINED, command_id=command.command_id))
            await db.flush()
            raise CrashBeforeCommit

    with pytest.raises(CrashBeforeCommit):
        await crash()
    after = await row_of(database, booking.booking_id)
    assert (after.version, after.status, after.reason_note) == (3, "PENDING_APPROVAL", None)
    assert [step.version for step in await steps_of(database, booking.booking_id)] == [3]
    async with database.transaction() as db:
        row = await db.get_one(type(command), command.command_id)
    assert (row.closed_at, row.outcome) == (None, None)


async def test_a_decline_takes_its_note_along(database: Database, hotel_rows: HotelRows) -> None:
    """By the command's id; the command is closed in the same transaction."""
    booking = await held(database, hotel_rows)
    command = await ask(
        database, booking.booking_id, "decline", reason_code="RATE_ERROR", reason_note="Wrong price"
    )
    change = change_of(
        booking,
        Event.DECLINED,
        actor=ActorKind.STAFF,
        staff_id=hotel_rows.approver_id,
        command_id=command.command_id,
        reason_code=ReasonCode.RATE_ERROR,
    )
    await apply(database, change)
    after = await row_of(database, booking.booking_id)
    assert (after.reason_code, after.reason_note) == ("RATE_ERROR", "Wrong price")
    async with database.transaction() as db:
        row = await db.get_one(type(command), command.command_id)
    assert (row.closed_at, row.outcome) == (change.at, "settled")


async def test_an_approval_leaves_the_note_alone(database: Database, hotel_rows: HotelRows) -> None:
    """A note is for declines: on any other command it stays with the command."""
    booking = await held(database, hotel_rows)
    command = await ask(database, booking.booking_id, "approve", reason_note="not for the guest")
    await apply(database, change_of(booking, Event.APPROVED, command_id=command.command_id))
    assert (await row_of(database, booking.booking_id)).reason_note is None


async def test_an_unknown_command_is_no_obstacle(database: Database, hotel_rows: HotelRows) -> None:
    """Money counts more than its paperwork."""
    booking = await held(database, hotel_rows)
    change = change_of(booking, Event.DECLINED, command_id="cmd_never_kept", reason_code=ReasonCode.OTHER)
    assert await apply(database, change) == ChangeResult(4, Status.DECLINED)


@pytest.mark.parametrize(
    ("event", "reason_code"),
    [
        (Event.AUTHORIZATION_LOST, "AUTHORIZATION_EXPIRED"),
        (Event.CAPTURE_MISMATCHED, "PAYMENT_MISMATCH"),
    ],
)
async def test_the_systems_reason_comes_from_the_table(
    database: Database, hotel_rows: HotelRows, event: Event, reason_code: str
) -> None:
    """With any reason in the change."""
    booking = await held(database, hotel_rows)
    await apply(database, change_of(booking, event, reason_code=ReasonCode.OTHER))
    after = await row_of(database, booking.booking_id)
    assert (after.status, after.reason_code, after.decision_made_by) == ("DECLINED", reason_code, "system")


async def test_attention_comes_and_goes(database: Database, hotel_rows: HotelRows) -> None:
    """Asked for, it stays until it is cleared, or until the booking's status changes."""
    booking = await held(database, hotel_rows)
    refused = Attention(AttentionCode.STRIPE_REFUSED, "pi_1", "Stripe: HTTP 402")
    await apply(database, change_of(booking, Event.ATTENTION_NEEDED, attention_opened=(refused,)))
    booking = await row_of(database, booking.booking_id)
    assert (booking.needs_attention, booking.status) == (True, "PENDING_APPROVAL")
    await apply(database, change_of(booking, Event.REFUND_RECORDED))
    booking = await row_of(database, booking.booking_id)
    assert await reasons_of(database, booking) == [refused]
    await apply(database, change_of(booking, Event.ATTENTION_CLEARED, attention_cleared=(refused,)))
    booking = await row_of(database, booking.booking_id)
    assert not booking.needs_attention
    await apply(database, change_of(booking, Event.ATTENTION_NEEDED, attention_opened=(refused,)))
    booking = await row_of(database, booking.booking_id)
    await apply(database, change_of(booking, Event.APPROVED))
    assert not (await row_of(database, booking.booking_id)).needs_attention


async def test_each_reason_comes_and_goes_by_itself(database: Database, hotel_rows: HotelRows) -> None:
    """Two of one kind are two; one that comes again stays as it was first said."""
    booking = await held(database, hotel_rows)
    kept, beside = (
        Attention(AttentionCode.UNMATCHED_PAYMENT_KEPT, name, "HTTP 400") for name in ("pi_1", "pi_2")
    )
    mail = Attention(AttentionCode.EMAIL_FAILED, "authorized", "SMTP 550")
    for number, reason in enumerate((kept, mail, beside, replace(kept, detail="HTTP 402"))):
        await apply(
            database,
            change_of(
                await row_of(database, booking.booking_id),
                Event.ATTENTION_NEEDED,
                at=T0 + timedelta(minutes=number),
                attention_opened=(reason,),
            ),
        )
    booking = await row_of(database, booking.booking_id)
    assert await reasons_of(database, booking) == [kept, mail, beside]
    await apply(database, change_of(booking, Event.ATTENTION_CLEARED, attention_cleared=(kept,)))
    booking = await row_of(database, booking.booking_id)
    assert (booking.needs_attention, await reasons_of(database, booking)) == (True, [mail, beside])


@pytest.mark.parametrize("code", list(AttentionCode))
async def test_a_change_of_status_settles_what_it_ends(
    database: Database, hotel_rows: HotelRows, code: AttentionCode
) -> None:
    """A reason about money still to be refunded outlives it."""
    booking = await held(database, hotel_rows)
    await apply(database, change_of(booking, Event.ATTENTION_NEEDED, attention_opened=(Attention(code),)))
    await apply(database, change_of(await row_of(database, booking.booking_id), Event.APPROVED))
    booking = await row_of(database, booking.booking_id)
    outlives = code in {"unmatched_payment_kept", "event_unread", "refund_returned"}
    assert booking.needs_attention is outlives
    assert await reasons_of(database, booking) == ([Attention(code)] if outlives else [])


async def test_somebody_who_has_left_is_named_by_kind(database: Database, hotel_rows: HotelRows) -> None:
    """A member of staff whose row is gone stays `staff` in the timeline."""
    booking = await held(database, hotel_rows)
    await apply(database, change_of(booking, Event.DECLINED, actor=ActorKind.STAFF, staff_id=2**31 - 1))
    [_, step] = await steps_of(database, booking.booking_id)
    assert step.actor == "staff"
