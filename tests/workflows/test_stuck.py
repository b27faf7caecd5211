"""Bookings that need a person: they say so, lose nothing, and go on when somebody has helped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import Verdict
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, CAPTURE, EXPIRE, READ_PAGE, REFUND, refuse
from tests.workflows.reservation import Reservation
from tests.workflows.tales import captured_in_part_unheard
from tests.workflows.world import World

HELD = ("requires_capture", 0, 0)
RELEASED = ("canceled", 0, 0)
REFUNDED = ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


async def _asks_for_person(stay: Reservation) -> bool:
    return (await stay.row()).needs_attention is not None


async def _stuck(world: World, decision: Decision, **more: str) -> tuple[Reservation, str]:
    """A booking whose decision Stripe refused once, and the decision's command id."""
    stay = await world.held()
    await refuse(world, CAPTURE if decision is Decision.APPROVE else CANCEL)
    actor = ActorKind.GUEST if decision is Decision.CANCEL else ActorKind.STAFF
    command_id = await stay.send(decision, actor, **more)  # type: ignore[arg-type]
    assert (await stay.outcome(command_id)).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    assert await _asks_for_person(stay)
    return stay, command_id


# --- who may find out what became of a payment ---


async def _returns(_world: World, stay: Reservation) -> None:
    await stay.come_back()


async def _wants_to_pay(_world: World, stay: Reservation) -> None:
    assert not (await stay.open_page()).payable


async def _hears(world: World, _stay: Reservation) -> None:
    await world.postman.deliver()


async def _waits(world: World, _stay: Reservation) -> None:
    world.postman.on_strike = True
    await world.advance(minutes=61)


async def _retries(_world: World, stay: Reservation) -> None:
    assert (await stay.retry()).verdict is Verdict.SETTLED


async def _resolves(_world: World, stay: Reservation) -> None:
    assert (await stay.resolve()).verdict is Verdict.SETTLED


async def _declines(_world: World, stay: Reservation) -> None:
    assert (await stay.decline()).verdict is Verdict.ALREADY_DECIDED


# --- while a decision is carried out ---


async def test_retry_carries_a_stuck_approval_out_under_its_authors_name(world: World) -> None:
    stay, command_id = await _stuck(world, Decision.APPROVE)
    assert await stay.verdict(command_id) is None, "it stands"

    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()

    row = await stay.row()
    assert (row.status, row.needs_attention) == (Status.CONFIRMED, None)
    assert row.decision_made_by == f"approver@{stay.terms.hotel_slug}.test"
    assert await stay.verdict(command_id) == Verdict.SETTLED
    assert (await stay.evidence_of_search())["NeedsAttention"] is False


async def test_retry_that_is_refused_again_leaves_one_call_for_help(world: World) -> None:
    stay, _ = await _stuck(world, Decision.APPROVE)
    reason = (await stay.row()).needs_attention
    await world.stripe.order(CAPTURE, "error_before", status=402, code="card_declined")
    assert (await stay.retry()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    assert (await stay.row()).needs_attention != reason, "the reason as it is now"
    assert await stay.money() == HELD
    assert (await stay.retry()).verdict is Verdict.SETTLED


async def test_retry_of_a_decline_keeps_reason_and_note(world: World) -> None:
    world.private_words.append(note := "Zqxnote overbooked")
    stay, _ = await _stuck(world, Decision.DECLINE, reason_code=ReasonCode.NO_AVAILABILITY, note=note)
    assert (await stay.retry()).verdict is Verdict.SETTLED
    row = await stay.row()
    assert (row.status, row.reason_code, row.reason_note) == ("DECLINED", "NO_AVAILABILITY", note)


async def test_resolve_drops_a_stuck_approval_whose_hold_still_stands(world: World) -> None:
    stay, command_id = await _stuck(world, Decision.APPROVE)
    assert (await stay.resolve()).verdict is Verdict.SETTLED
    await world.settle()

    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.money() == HELD, "nothing was tried again"
    assert not await _asks_for_person(stay)
    assert (await stay.events())[-1] is Event.ATTENTION_CLEARED
    assert await stay.last_actor() == ActorKind.OPERATOR
    assert await stay.verdict(command_id) == Verdict.ALREADY_DECIDED
    assert (await stay.decline()).verdict is Verdict.SETTLED


async def test_resolve_follows_what_was_done_in_the_dashboard(world: World) -> None:
    stay, command_id = await _stuck(world, Decision.APPROVE)
    await stay.dashboard("capture")
    assert (await stay.resolve()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.status() is Status.CONFIRMED
    assert (await stay.events())[-1] is Event.CAPTURED_OUTSIDE
    assert await stay.verdict(command_id) == Verdict.ALREADY_DECIDED


async def test_dashboard_settles_a_stuck_decision_without_any_operator(world: World) -> None:
    stay, _ = await _stuck(world, Decision.DECLINE)
    await stay.dashboard("cancel")
    await world.postman.deliver()
    await world.settle()
    assert await stay.status() is Status.DECLINED
    assert not await _asks_for_person(stay)


async def test_stuck_approval_gives_way_to_a_decline(world: World) -> None:
    stay, approve = await _stuck(world, Decision.APPROVE)
    assert (await stay.decline()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.verdict(approve) == Verdict.ALREADY_DECIDED
    assert await stay.status() is Status.DECLINED


async def test_stuck_approval_gives_way_to_the_guest(world: World) -> None:
    stay, approve = await _stuck(world, Decision.APPROVE)
    assert (await stay.cancel()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.verdict(approve) == Verdict.ALREADY_DECIDED
    assert await stay.money() == ("canceled", 0, 0)


async def test_stuck_approval_repeated_by_a_colleague_is_tried_again(world: World) -> None:
    stay, first = await _stuck(world, Decision.APPROVE)
    assert (await stay.approve()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.verdict(first) == Verdict.SETTLED
    assert await stay.status() is Status.CONFIRMED


async def test_guests_stuck_cancellation_is_carried_out_by_retry(world: World) -> None:
    stay, command_id = await _stuck(world, Decision.CANCEL)
    assert (await stay.retry()).verdict is Verdict.SETTLED
    assert await stay.status() is Status.CANCELLED
    assert await stay.verdict(command_id) == Verdict.SETTLED


async def test_guests_stuck_cancellation_is_carried_out_by_resolve(world: World) -> None:
    stay, command_id = await _stuck(world, Decision.CANCEL)
    assert (await stay.resolve()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.events() == [Event.AUTHORIZED, Event.ATTENTION_NEEDED, Event.CANCELLED_BY_GUEST]
    assert await stay.money() == RELEASED
    assert await stay.verdict(command_id) == Verdict.SETTLED
    assert not await _asks_for_person(stay)


async def test_resolve_drops_no_cancellation_and_no_later_approval_charges_the_guest(world: World) -> None:
    stay = await world.held()
    await refuse(world, CANCEL, times=None)
    cancel = await stay.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await stay.outcome(cancel)).verdict is Verdict.NEEDS_ATTENTION
    assert (await stay.resolve()).verdict is Verdict.NEEDS_ATTENTION
    assert (await stay.approve()).verdict is Verdict.IN_PROGRESS
    await world.settle()
    assert await _asks_for_person(stay)
    assert await stay.money() == HELD
    assert await stay.verdict(cancel) is None, "it stands"

    await world.stand_ins.heal()
    await world.advance(minutes=61)
    assert await stay.status() is Status.CANCELLED
    assert await stay.money() == RELEASED
    assert await stay.verdict(cancel) == Verdict.SETTLED


@pytest.mark.parametrize("gone", ["cancel", "lapse"])
@pytest.mark.parametrize("tell", [_hears, _returns, _retries, _resolves, _declines, _waits])
async def test_hold_that_is_gone_ends_as_the_guests_stuck_cancellation(
    world: World, tell: Callable[[World, Reservation], Awaitable[None]], gone: str
) -> None:
    """Released in the Dashboard, as staff are advised to, or lapsed: whatever tells of it first."""
    stay, command_id = await _stuck(world, Decision.CANCEL)
    await stay.dashboard(gone)
    await tell(world, stay)
    await world.settle()

    row = await stay.row()
    assert (row.status, row.reason_code, row.needs_attention) == (Status.CANCELLED, None, None)
    assert (await stay.events())[-1] is Event.CANCELLED_BY_GUEST
    assert await stay.last_actor() == ActorKind.GUEST
    assert await stay.money() == RELEASED
    assert await stay.verdict(command_id) == Verdict.SETTLED
    assert (await stay.told())[-1] == f"Booking Cancelled - {stay.booking_id}"


@pytest.mark.parametrize("later", [Decision.APPROVE, Decision.DECLINE])
async def test_guests_stuck_cancellation_is_carried_out_by_whatever_staff_decide_next(
    world: World, later: Decision
) -> None:
    """The guest came first, and was told that it is safe."""
    stay, cancel = await _stuck(world, Decision.CANCEL)
    assert (await stay.outcome(await stay.send(later))).verdict is Verdict.ALREADY_DECIDED
    await world.settle()
    assert await stay.status() is Status.CANCELLED
    assert await stay.money() == RELEASED
    assert await stay.verdict(cancel) == Verdict.SETTLED


async def test_approval_never_charges_a_guest_whose_cancellation_stays_stuck(world: World) -> None:
    stay = await world.held()
    await refuse(world, CANCEL, times=None)
    cancel = await stay.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await stay.outcome(cancel)).verdict is Verdict.NEEDS_ATTENTION
    assert (await stay.approve()).verdict is Verdict.IN_PROGRESS
    await world.settle()
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.money() == HELD
    assert await stay.verdict(cancel) is None, "it stands"

    await world.stand_ins.heal()
    await world.advance(minutes=61)
    assert await stay.status() is Status.CANCELLED
    assert await stay.money() == RELEASED


async def test_guests_stuck_cancellation_is_no_decline_when_the_decision_deadline_comes(world: World) -> None:
    stay = await world.held(approval_sla_s=3600)
    await refuse(world, CANCEL)
    await stay.cancel()
    await world.advance(minutes=62)
    assert await stay.status() is Status.CANCELLED
    assert (await stay.told())[-1] == f"Booking Cancelled - {stay.booking_id}"


async def test_stuck_approval_ends_with_the_decision_deadline(world: World) -> None:
    stay, approve = await _stuck(world, Decision.APPROVE)
    await world.advance(hours=25)
    row = await stay.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "APPROVAL_TIMEOUT")
    assert await stay.verdict(approve) == Verdict.ALREADY_DECIDED


async def test_release_at_the_deadline_that_is_refused_asks_for_a_person(world: World) -> None:
    stay = await world.held(approval_sla_s=3600)
    await refuse(world, CANCEL)
    await world.advance(minutes=62)
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await _asks_for_person(stay)

    assert (await stay.decline()).verdict is Verdict.SETTLED
    assert await stay.money() == ("canceled", 0, 0)


async def test_refund_that_is_refused_at_the_first_look_asks_for_a_person_and_is_made_by_retry(
    world: World,
) -> None:
    stay = await captured_in_part_unheard(world)
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.events() == [Event.AUTHORIZED, Event.ATTENTION_NEEDED]
    assert (await stay.staff_told())[-1] == f"Attention needed - {stay.booking_id}"
    assert (await stay.retry()).verdict is Verdict.NEEDS_ATTENTION

    await world.stand_ins.heal()
    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()

    row = await stay.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "PAYMENT_MISMATCH")
    assert row.needs_attention is None
    assert (row.amount_captured_minor, row.amount_refunded_minor) == (5000, 5000)
    assert await stay.money() == ("succeeded", 5000, 5000)
    assert (await stay.told())[-1] == f"Booking Update - {stay.booking_id}"
    assert await stay.is_over()


@pytest.mark.parametrize("decision", list(Decision))
async def test_decision_is_heard_while_the_refund_of_a_part_is_refused(
    world: World, decision: Decision
) -> None:
    stay = await captured_in_part_unheard(world)
    actor = ActorKind.GUEST if decision is Decision.CANCEL else ActorKind.STAFF
    command_id = await stay.send(decision, actor)
    assert (await stay.outcome(command_id)).verdict is Verdict.NEEDS_ATTENTION

    await world.stand_ins.heal()
    await stay.retry()
    await world.settle()
    assert await stay.status() is Status.DECLINED
    assert await stay.money() == ("succeeded", 5000, 5000)
    assert await stay.verdict(command_id) == Verdict.ALREADY_DECIDED


async def test_refund_refused_at_the_first_look_is_made_by_the_decision_deadline_at_the_latest(
    world: World,
) -> None:
    stay = await captured_in_part_unheard(world)
    await world.stand_ins.heal()
    await world.advance(hours=25)
    assert await stay.status() is Status.DECLINED
    assert await stay.money() == ("succeeded", 5000, 5000)


async def test_retry_with_nothing_stuck_looks_and_leaves_all_as_it_is(world: World) -> None:
    stay = await world.held()
    assert (await stay.retry()).verdict is Verdict.NEEDS_ATTENTION
    await stay.resolve()
    await world.settle()
    assert await stay.events() == [Event.AUTHORIZED]
    assert await stay.money() == HELD


# --- before payment ---


async def test_cancellation_whose_page_cannot_be_closed_is_carried_out_by_retry(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await refuse(world, EXPIRE)
    assert (await stay.cancel()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()  # who asked is answered first, the flag is written then
    assert await stay.status() is Status.PENDING_PAYMENT
    assert await _asks_for_person(stay)
    assert not (await stay.open_page()).payable, "whoever has cancelled is not asked to pay"

    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.status() is Status.CANCELLED


@pytest.mark.parametrize("refused", [READ_PAGE, CANCEL])
@pytest.mark.parametrize("find", [_returns, _wants_to_pay, _hears, _waits])
async def test_hold_found_after_a_cancellation_got_stuck_goes_back(
    world: World, find: Callable[[World, Reservation], Awaitable[None]], refused: str
) -> None:
    """They paid unheard, and cancelled while Stripe took nothing from us."""
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay()
    await refuse(world, refused)
    cancel = await stay.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await stay.outcome(cancel)).verdict is Verdict.NEEDS_ATTENTION

    await find(world, stay)
    await world.settle()

    assert await stay.events() == [Event.ATTENTION_NEEDED, Event.CANCELLED_BY_GUEST]
    assert await stay.money() == RELEASED
    assert await stay.verdict(cancel) == Verdict.SETTLED


async def test_hold_on_another_page_found_after_a_cancellation_got_stuck_goes_back(world: World) -> None:
    """Its release is refused at first, and it is on no page that is known here: it is not forgotten."""
    stay = await world.submitted()
    await stay.open_page()
    await refuse(world, EXPIRE)
    assert (await stay.cancel()).verdict is Verdict.NEEDS_ATTENTION
    await stay.fill_in(await stay.unnoted_page())
    await refuse(world, CANCEL)
    await world.postman.deliver("payment_intent.amount_capturable_updated")
    await world.postman.lose()
    await world.settle()
    assert await stay.money() == HELD

    await _waits(world, stay)
    assert await stay.status() is Status.CANCELLED
    assert await stay.money() == RELEASED
    assert [page["status"] for page in (await stay.ledger())["sessions"]].count("open") == 0


async def test_stuck_cancellation_is_tried_again_within_the_hour(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await refuse(world, EXPIRE)
    assert (await stay.cancel()).verdict is Verdict.NEEDS_ATTENTION
    assert (await stay.cancel()).verdict is Verdict.IN_PROGRESS
    await world.advance(minutes=61)
    assert await stay.status() is Status.CANCELLED
    assert not await _asks_for_person(stay)


async def test_cancellation_that_is_refused_every_hour_calls_people_once(world: World) -> None:
    stay = await world.submitted(payment_window_s=20 * 3600)
    await stay.open_page()
    await refuse(world, EXPIRE, times=None)
    await stay.cancel()
    await world.advance(hours=5)
    assert await stay.events() == [Event.ATTENTION_NEEDED]
    assert len(await stay.keys("expire")) > 3, "it is tried again and again"
    assert len(await stay.staff_told()) == 1


async def test_cancellation_that_stays_stuck_is_no_expiry_when_the_window_ends(world: World) -> None:
    stay = await world.submitted(payment_window_s=2 * 3600)
    await stay.open_page()
    await refuse(world, EXPIRE, times=None)
    assert (await stay.cancel()).verdict is Verdict.NEEDS_ATTENTION
    await world.advance(minutes=110)
    assert await stay.status() is Status.PENDING_PAYMENT
    await world.advance_to(await world.now() + timedelta(minutes=75))
    assert await stay.status() is Status.CANCELLED
    assert (await stay.told())[-1] == f"Booking Cancelled - {stay.booking_id}"


async def test_stripe_that_refuses_to_tell_about_the_page_is_called_for_once_and_asked_on(
    world: World,
) -> None:
    """Our key was taken away while the guest paid; nobody would see it otherwise."""
    stay = await world.submitted(payment_poll_s=600)
    await stay.open_page()
    await stay.pay()
    await world.postman.lose()
    world.postman.on_strike = True
    await refuse(world, READ_PAGE, times=None)
    await world.advance(minutes=35)
    assert await stay.events() == [Event.ATTENTION_NEEDED]

    await world.stand_ins.heal()
    await world.advance(minutes=11)
    assert await stay.status() is Status.PENDING_APPROVAL
    assert not await _asks_for_person(stay)


async def test_retry_of_what_stripe_refuses_to_tell_says_that_a_person_is_needed(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await refuse(world, READ_PAGE)
    assert (await stay.retry()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    assert await _asks_for_person(stay)


async def test_event_stripe_refuses_to_tell_about_does_not_keep_the_page_from_being_asked_about(
    world: World,
) -> None:
    stay = await world.submitted(payment_poll_s=600)
    await stay.open_page()
    await stay.pay()
    [event] = [e for e in await world.postman.collect() if e["type"].endswith("capturable_updated")]
    await world.postman.lose()
    world.postman.on_strike = True
    unknown = event["data"]["object"] | {"id": "pi_nobody_knows"}
    await world.postman.bring(event | {"data": {"object": unknown}}, "evt_about_nothing")
    await world.settle()
    assert not await _asks_for_person(stay), "that says nothing about the booking's own page"

    await world.advance(minutes=11)
    assert await stay.status() is Status.PENDING_APPROVAL


async def test_window_whose_page_cannot_be_closed_is_ended_an_hour_later(world: World) -> None:
    stay = await world.submitted(payment_window_s=600)
    await stay.open_page()
    await refuse(world, EXPIRE)
    await world.advance(minutes=11)
    assert await stay.status() is Status.PENDING_PAYMENT
    assert await _asks_for_person(stay)
    await world.advance(minutes=61)
    assert await stay.status() is Status.EXPIRED
    assert not await _asks_for_person(stay)


async def test_stray_hold_that_cannot_be_released_asks_for_a_person_and_payment_goes_on(
    world: World,
) -> None:
    stay = await world.submitted()
    await stay.fill_in(await stay.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await refuse(world, CANCEL)
    await world.postman.deliver()
    await world.settle()
    assert await stay.status() is Status.PENDING_PAYMENT
    assert await _asks_for_person(stay)

    await stay.retry()
    await world.settle()
    [wrong] = await stay.intents()
    assert wrong == ("canceled", 0, 0)
    await stay.place_hold()
    assert await stay.status() is Status.PENDING_APPROVAL


# --- after the confirmation ---


async def _unrefunded(world: World) -> tuple[Reservation, str]:
    """A confirmed booking whose guest cancelled, and whose refund Stripe refused."""
    stay = await world.confirmed()
    await refuse(world, REFUND)
    command_id = await stay.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await stay.outcome(command_id)).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    assert await stay.status() is Status.CONFIRMED
    assert await _asks_for_person(stay)
    return stay, command_id


async def test_refund_that_was_refused_is_made_by_retry(world: World) -> None:
    stay, command_id = await _unrefunded(world)
    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.status() is Status.CANCELLED
    assert await stay.money() == REFUNDED
    assert await stay.verdict(command_id) == Verdict.SETTLED
    assert not await _asks_for_person(stay)


async def test_refund_made_in_the_dashboard_instead_cancels_by_resolve(world: World) -> None:
    stay, command_id = await _unrefunded(world)
    await stay.dashboard("refund")
    assert (await stay.resolve()).verdict is Verdict.SETTLED
    await world.postman.deliver()
    await world.settle()
    assert await stay.status() is Status.CANCELLED
    assert (await stay.row()).amount_refunded_minor == TOTAL_MINOR
    assert await stay.money() == REFUNDED
    assert await stay.verdict(command_id) == Verdict.SETTLED


async def test_resolve_tries_no_refund_again_and_drops_the_cancellation(world: World) -> None:
    stay, command_id = await _unrefunded(world)
    assert (await stay.resolve()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.money() == ("succeeded", TOTAL_MINOR, 0)
    assert await stay.status() is Status.CONFIRMED
    assert not await _asks_for_person(stay)
    assert await stay.verdict(command_id) == Verdict.ALREADY_DECIDED
    assert (await stay.cancel()).verdict is Verdict.SETTLED, "the guest may ask again"
    assert await stay.money() == REFUNDED


async def test_what_goes_back_depends_on_when_the_guest_asked(world: World) -> None:
    stay, _ = await _unrefunded(world)
    await world.advance_to(stay.terms.free_cancel_until)
    assert (await stay.retry()).verdict is Verdict.SETTLED
    world.excused = "M3"  # which counts the fee from the moment the cancellation was written
    assert await stay.money() == REFUNDED


async def test_second_cancellation_waits_for_the_one_that_is_stuck(world: World) -> None:
    stay, _ = await _unrefunded(world)
    assert (await stay.cancel()).verdict is Verdict.IN_PROGRESS
    assert (await stay.retry()).verdict is Verdict.SETTLED


async def test_stray_hold_of_a_confirmed_booking_that_cannot_be_released_waits_for_retry(
    world: World,
) -> None:
    stay = await world.confirmed()
    await stay.fill_in(await stay.unnoted_page())
    await refuse(world, CANCEL)
    await world.postman.deliver()
    await world.settle()
    assert await _asks_for_person(stay)

    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    assert (await stay.intents())[1] == ("canceled", 0, 0)
    assert (await stay.events())[-2:] == [Event.STRAY_PAYMENT_RETURNED, Event.ATTENTION_CLEARED]


# --- after the end ---


@pytest.mark.parametrize("status", [400, 402])
async def test_stray_money_that_cannot_be_returned_waits_for_retry(world: World, status: int) -> None:
    """A 402 is kept under its key for a day: each try after one needs another key."""
    stay = await world.submitted()
    await stay.cancel()
    await world.settle()
    await stay.fill_in(await stay.unnoted_page())
    await refuse(world, CANCEL, times=2, status=status)
    await world.postman.deliver("checkout.session.completed")
    await world.postman.lose()
    await world.settle()
    assert await _asks_for_person(stay)
    assert await stay.money() == HELD

    await world.retry_stray()
    await world.settle()
    assert await _asks_for_person(stay), "refused again"
    assert await stay.money() == HELD

    await world.retry_stray()
    await world.settle()
    assert await stay.money() == ("canceled", 0, 0)
    assert not await _asks_for_person(stay)
    assert await stay.status() is Status.CANCELLED


async def test_stray_money_is_tried_again_whatever_was_refused_to_somebody_else(world: World) -> None:
    """The workflow that was refused several times was lost; what takes over tries under no key of its."""
    stay = await world.submitted()
    await stay.cancel()
    await world.settle()
    await stay.fill_in(await stay.unnoted_page())
    await refuse(world, CANCEL, times=3, status=402)
    await world.postman.deliver("checkout.session.completed")
    for _ in range(2):
        await world.settle()
        await world.retry_stray()
    await world.settle()
    [first] = world.postman.stray_workflows
    await world.client.get_workflow_handle(first).terminate("by mistake")
    await world.postman.deliver("payment_intent.amount_capturable_updated")
    await world.postman.lose()
    await world.settle()

    await world.retry_stray()
    await world.settle()
    assert await stay.money() == ("canceled", 0, 0)
    assert not await _asks_for_person(stay)


async def test_flag_of_stray_money_comes_down_although_another_writer_came_between(world: World) -> None:
    stay = await world.submitted()
    await stay.cancel()
    await world.settle()
    first, second = await stay.unnoted_page(), await stay.unnoted_page()
    await stay.fill_in(first)
    await refuse(world, CANCEL)
    await world.postman.deliver("checkout.session.completed")
    await world.postman.lose()
    await world.settle()
    assert await _asks_for_person(stay)
    await stay.fill_in(second)
    await world.postman.deliver("checkout.session.completed")
    await world.postman.lose()
    await world.settle()
    assert (await stay.events())[-1] is Event.STRAY_PAYMENT_RETURNED
    assert await _asks_for_person(stay), "that was the other hold"

    await world.retry_stray()
    await world.settle()

    assert await stay.intents() == [("canceled", 0, 0), ("canceled", 0, 0)]
    assert not await _asks_for_person(stay)
