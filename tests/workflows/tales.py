"""What happens to single bookings beside the usual paths; told once each, to be recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import update
from sqlmodel import col

from domain.booking import ActorKind, Decision
from models import Booking
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, CAPTURE, EXPIRE, READ_PAGE, REFUND, refuse
from tests.workflows.reservation import Reservation
from tests.workflows.wire import Trouble
from tests.workflows.world import World

STRAY: Final = "stray money"
"""The one history that is not a booking's own."""


@dataclass(frozen=True)
class Tale:
    """One booking's story.

    Args:
        tell: lets it happen, and returns the booking.
    """

    name: str
    tell: Callable[[World], Awaitable[Reservation]]


def file_name(name: str) -> str:
    """Under which name the history of a path or tale is kept."""
    return name.lower().replace(" ", "-").replace(":", "")


async def _stuck_approval(world: World) -> Reservation:
    stay = await world.held()
    await refuse(world, CAPTURE)
    await stay.approve()
    await world.settle()
    return stay


async def _retried_approval(world: World) -> Reservation:
    stay = await _stuck_approval(world)
    await stay.retry()
    return stay


async def _resolved_approval(world: World) -> Reservation:
    stay = await _stuck_approval(world)
    await stay.resolve()
    await stay.decline()
    return stay


async def _retried_refund(world: World) -> Reservation:
    stay = await world.confirmed()
    await refuse(world, REFUND)
    await stay.cancel()
    await world.settle()
    await stay.retry()
    return stay


async def _cancelled(world: World) -> Reservation:
    """Unlike in the path of that name, it is known when the guest asked."""
    stay = await world.confirmed()
    await stay.cancel()
    return stay


async def _stored_failure(world: World) -> Reservation:
    """Stripe keeps a 500 under the capture's key, so that the next attempt needs another one."""
    stay = await world.held()
    await world.stripe.order(CAPTURE, "error_before", status=500)
    command_id = await stay.send(Decision.APPROVE)
    asked = world.later(stay.outcome(command_id))
    await world.advance(minutes=10)
    await asked
    return stay


async def _refunded_in_the_dashboard(world: World) -> Reservation:
    stay = await world.confirmed()
    await stay.dashboard("refund", {"amount": 2000})
    await world.postman.deliver()
    return stay


async def _captured_and_refunded_in_the_dashboard(world: World) -> Reservation:
    stay = await world.held()
    await stay.dashboard("capture")
    await stay.dashboard("refund")
    await world.postman.deliver()
    return stay


async def _disputed(world: World) -> Reservation:
    stay = await world.confirmed()
    await stay.dispute()
    await world.postman.deliver()
    return stay


async def _stuck_before_paying(world: World) -> Reservation:
    stay = await world.submitted()
    await stay.open_page()
    await refuse(world, EXPIRE)
    await stay.cancel()
    await world.settle()
    return stay


async def _paid_after_stuck_cancellation(world: World) -> Reservation:
    stay = await _stuck_before_paying(world)
    await stay.come_back()
    await stay.open_page()
    await stay.pay()
    await world.postman.deliver()
    return stay


async def _stuck_while_held(world: World) -> Reservation:
    stay = await world.held()
    await refuse(world, CANCEL)
    await stay.cancel()
    await world.settle()
    return stay


async def _approved_after_stuck_cancellation(world: World) -> Reservation:
    stay = await _stuck_while_held(world)
    await stay.approve()
    return stay


async def _resolved_after_stuck_cancellation(world: World) -> Reservation:
    stay = await _stuck_while_held(world)
    await stay.resolve()
    return stay


async def _released_in_the_dashboard_after_stuck_cancellation(world: World) -> Reservation:
    stay = await _stuck_while_held(world)
    await stay.dashboard("cancel")
    await world.postman.deliver()
    return stay


async def captured_in_part_unheard(world: World) -> Reservation:
    """Captured in part in the Dashboard before the booking has looked, and Stripe refuses the refund."""
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay()
    await stay.dashboard("capture", {"amount": 5000})
    await refuse(world, REFUND, times=None)
    await world.postman.deliver()
    await world.settle()
    return stay


async def _refunded_after_its_first_look(world: World) -> Reservation:
    stay = await captured_in_part_unheard(world)
    await world.stand_ins.heal()
    await stay.retry()
    return stay


async def notice_refused(world: World) -> Reservation:
    """Staff were to hear of a payment of a wrong amount, which went back, and no mailbox of theirs took that."""
    stay = await world.submitted()
    await stay.open_page()
    mailboxes = f"RCPT *@{stay.terms.hotel_slug}.test"
    await world.stand_ins.mail.order(mailboxes, "error_before", status=550, times=None)
    await stay.fill_in(await stay.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await world.postman.deliver()
    await world.settle()
    return stay


async def held_and_mail_refused(world: World) -> Reservation:
    """The guest's mailbox refuses, this once, the mail that tells of the hold."""
    stay = await world.submitted()
    await world.stand_ins.mail.order(f"RCPT {stay.guest_email}", "error_before", status=550)
    await stay.place_hold()
    await world.settle()
    return stay


async def _refused_mail_sent_with_the_decline(world: World) -> Reservation:
    stay = await held_and_mail_refused(world)
    await stay.decline()
    return stay


async def _notice_sent_by_retry(world: World) -> Reservation:
    stay = await notice_refused(world)
    await world.stand_ins.mail.heal()
    await stay.retry()
    return stay


async def _paid_beside_the_page(world: World) -> Reservation:
    """Somebody pays a wrong amount elsewhere, and nobody pays on the booking's own page."""
    stay = await world.submitted()
    await stay.open_page()
    await stay.fill_in(await stay.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await world.postman.deliver()
    return stay


async def stuck_stray(world: World, stay: Reservation, **page: int) -> None:
    """Somebody pays on another page, and Stripe refuses to release that hold for a while."""
    await stay.fill_in(await stay.unnoted_page(**page))  # type: ignore[arg-type]
    await refuse(world, CANCEL, times=None)
    await world.postman.deliver()
    await world.settle()
    assert (await stay.row()).needs_attention is not None
    await world.stand_ins.heal()


async def _stray_retried_once_held(world: World) -> Reservation:
    stay = await world.submitted()
    await stuck_stray(world, stay, amount_minor=TOTAL_MINOR - 1)
    await stay.place_hold()
    await stay.retry()
    return stay


async def _stray_retried_after_the_end(world: World) -> Reservation:
    stay = await world.held()
    await stuck_stray(world, stay)
    await stay.decline()
    await world.settle()
    await stay.retry()
    return stay


async def _stray_retried_during_the_stay(world: World) -> Reservation:
    stay = await world.confirmed()
    await stuck_stray(world, stay)
    await stuck_stray(world, stay)
    await refuse(world, CANCEL)
    await stay.retry()
    await world.settle()
    await stay.retry()
    return stay


async def _page_not_told_about(world: World) -> Reservation:
    """Stripe refuses once to say what became of the page; the guest pays later."""
    stay = await world.submitted(payment_poll_s=1800)
    await stay.open_page()
    await refuse(world, READ_PAGE)
    await world.advance(minutes=65)
    await stay.pay()
    await world.postman.deliver()
    return stay


async def _written_by_somebody_else(world: World) -> Reservation:
    stay = await world.confirmed()
    async with world.database.transaction() as db:
        mine = col(Booking.booking_id) == stay.booking_id
        await db.execute(update(Booking).where(mine).values(version=9))
    await stay.dashboard("refund", {"amount": 1000})
    await world.postman.deliver()
    await world.advance(minutes=5)
    await stay.retry()
    world.excused = "M6"  # whoever wrote the row left no timeline
    return stay


async def _lost_and_given_back(world: World) -> Reservation:
    """With an approval it had not carried out, and a mail that was refused once; the history is the next one's."""
    stay = await held_and_mail_refused(world)
    await stay.lose_workflow()
    await stay.keep(Decision.APPROVE)
    await stay.give_back_workflow()
    return stay


async def cancelled_while_the_approval_is_written(world: World) -> tuple[Reservation, str]:
    """The card is charged, and the guest's page still says that cancelling costs nothing; also the command's id."""
    stay = await world.held(check_in_days=1)
    world.wire.order("bookings.record", Trouble.BEFORE, times=3, booking_id=stay.booking_id)
    await stay.send(Decision.APPROVE)

    async def is_charged() -> bool:
        # And the workflow has heard so: no capture is under way any more.
        is_captured = (await stay.money())[0] == "succeeded"
        return is_captured and (await stay.view()).pending_decision is None

    await world.until(is_charged)
    command_id = await stay.send(Decision.CANCEL, ActorKind.GUEST)
    await world.advance(minutes=1)
    return stay, command_id


async def _overtaken_cancellation(world: World) -> Reservation:
    stay, _ = await cancelled_while_the_approval_is_written(world)
    return stay


async def _unpaid(world: World) -> Reservation:
    stay = await world.submitted()
    await stay.open_page()
    return stay


OPEN: Final = (
    Tale("open: waits for its payment", _unpaid),
    Tale("open: waits for a decision", World.held),
    Tale("open: waits for check-in", World.confirmed),
)
"""Recorded as they stand, with nothing coming after."""

TALES: Final = (
    Tale("approval stuck and retried", _retried_approval),
    Tale("approval stuck and resolved", _resolved_approval),
    Tale("refund stuck and retried", _retried_refund),
    Tale("cancelled as of when it was asked", _cancelled),
    Tale("capture failed once at Stripe", _stored_failure),
    Tale("refunded in part in the Dashboard", _refunded_in_the_dashboard),
    Tale("captured and refunded in the Dashboard", _captured_and_refunded_in_the_dashboard),
    Tale("disputed after confirmation", _disputed),
    Tale("cancellation stuck before paying", _stuck_before_paying),
    Tale("cancellation stuck before paying and paid", _paid_after_stuck_cancellation),
    Tale("cancellation stuck while held", _stuck_while_held),
    Tale("cancellation stuck while held and approved", _approved_after_stuck_cancellation),
    Tale("cancellation stuck while held and resolved", _resolved_after_stuck_cancellation),
    Tale(
        "cancellation stuck while held and released in the Dashboard",
        _released_in_the_dashboard_after_stuck_cancellation,
    ),
    Tale("refund stuck at the first look and retried", _refunded_after_its_first_look),
    Tale("notice refused while payment is due and retried", _notice_sent_by_retry),
    Tale("mail refused and sent with the decline", _refused_mail_sent_with_the_decline),
    Tale("cancellation overtaken by the approval", _overtaken_cancellation),
    Tale("paid beside the page", _paid_beside_the_page),
    Tale("page not told about", _page_not_told_about),
    Tale("stray money stuck and retried once held", _stray_retried_once_held),
    Tale("stray money stuck and retried after the end", _stray_retried_after_the_end),
    Tale("stray money stuck and retried during the stay", _stray_retried_during_the_stay),
    Tale("row written by somebody else and retried", _written_by_somebody_else),
    Tale("lost and given back", _lost_and_given_back),
    *OPEN,
)
"""Histories that begin with `former` tell the same as a former version of the workflow let it happen."""
