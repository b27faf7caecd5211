"""Ways a booking can go, each taken by many bookings at once, whatever fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowUpdateFailedError

from dispatch.client import start_booking
from domain.booking import ActorKind, Decision, Status
from domain.messages import SUBMIT_COMMAND
from tests.workflows.reservation import GOOD_CARD, Reservation
from tests.workflows.world import World

_PATIENCE = timedelta(minutes=12)
"""Longer than any two faults and the pauses after them."""

Stays = Sequence[Reservation]


@dataclass(frozen=True)
class Path:
    """One way.

    Args:
        terms: what its bookings are submitted with.
        play: what happens after the submission.
        ends: where they may end; faults must not lead anywhere else.
    """

    name: str
    play: Callable[[World, Stays], Awaitable[None]]
    ends: frozenset[Status]
    terms: dict[str, Any]

    async def take(
        self, world: World, count: int, arm: Callable[[int, Reservation], Awaitable[None]]
    ) -> Stays:
        """Let `count` bookings go this way at once.

        Args:
            arm: called for each before anything happens to it; orders its faults.
        """
        stays = [await world.draft(**self.terms) for _ in range(count)]
        for number, stay in enumerate(stays):
            await arm(number, stay)
        await _each(stays, lambda stay: start_booking(world.client, stay.terms, world.task_queue))
        submitted = [world.later(stay.outcome(SUBMIT_COMMAND)) for stay in stays]
        await world.advance_to(await world.now() + _PATIENCE)
        await asyncio.gather(*submitted)
        await self.play(world, stays)
        await world.advance_to(await world.now() + _PATIENCE)
        return stays


async def unharmed(_number: int, _stay: Reservation) -> None:
    """Nothing goes wrong for this one."""


async def _each(stays: Stays, act: Callable[[Reservation], Awaitable[Any]]) -> None:
    await asyncio.gather(*(act(stay) for stay in stays))


async def _pages(world: World, stays: Stays) -> None:
    """Every guest opens the page, and asks again where that failed."""
    for _ in range(4):
        left = [stay for stay in stays if stay.payment_url is None]
        if not left:
            return
        asked = [world.later(_try(stay.open_page())) for stay in left]
        await world.advance(seconds=60)
        await asyncio.gather(*asked)
    missing = [stay.booking_id for stay in stays if stay.payment_url is None]
    assert not missing, f"the payment page never opened for {missing}"


async def _try(call: Awaitable[Any]) -> None:
    try:
        await call
    except WorkflowUpdateFailedError:
        return


async def _held(world: World, stays: Stays, hold_s: int | None = None) -> None:
    await _pages(world, stays)
    await _each(stays, lambda stay: stay.pay(GOOD_CARD, hold_s=hold_s))
    await world.advance_to(await world.now() + _PATIENCE)


async def _decided(
    world: World, stays: Stays, decision: Decision, actor: ActorKind = ActorKind.STAFF
) -> None:
    sent = [await stay.send(decision, actor) for stay in stays]
    outcomes = [world.later(stay.outcome(command_id)) for stay, command_id in zip(stays, sent, strict=True)]
    await world.advance_to(await world.now() + _PATIENCE)
    await asyncio.gather(*outcomes)


async def _approve(world: World, stays: Stays) -> None:
    await _held(world, stays)
    await _decided(world, stays, Decision.APPROVE)


async def _decline(world: World, stays: Stays) -> None:
    await _held(world, stays)
    await _decided(world, stays, Decision.DECLINE)


async def _cancel_held(world: World, stays: Stays) -> None:
    await _held(world, stays)
    await _decided(world, stays, Decision.CANCEL, ActorKind.GUEST)


async def _cancel_unpaid(world: World, stays: Stays) -> None:
    await _pages(world, stays)
    await _decided(world, stays, Decision.CANCEL, ActorKind.GUEST)


async def _cancel_confirmed(world: World, stays: Stays) -> None:
    await _approve(world, stays)
    await _decided(world, stays, Decision.CANCEL, ActorKind.GUEST)


async def _staff_cancel(world: World, stays: Stays) -> None:
    await _approve(world, stays)
    await _decided(world, stays, Decision.CANCEL)


async def _decide_twice(world: World, stays: Stays) -> None:
    """The second decision is refused, and its command closed."""
    await _approve(world, stays)
    await _decided(world, stays, Decision.DECLINE)


async def _refund_outside(world: World, stays: Stays) -> None:
    await _approve(world, stays)
    await _each(stays, lambda stay: stay.dashboard("refund", {"amount": 5000}))


async def _dispute(world: World, stays: Stays) -> None:
    await _approve(world, stays)
    await _each(stays, lambda stay: stay.dispute())


async def _pay_too_late(world: World, stays: Stays) -> None:
    """A page that nobody noted is filled in when the booking has ended: a workflow beside it gives the hold back."""
    pages = [await stay.unnoted_page() for stay in stays]
    await world.advance(hours=3)
    await _fill_in(stays, pages)


async def _pay_twice(world: World, stays: Stays) -> None:
    await _held(world, stays)
    await _fill_in(stays, [await stay.unnoted_page() for stay in stays])


async def _pay_wrong_amount(_world: World, stays: Stays) -> None:
    await _fill_in(stays, [await stay.unnoted_page(amount_minor=100) for stay in stays])


async def _fill_in(stays: Stays, pages: Sequence[str]) -> None:
    await asyncio.gather(*(stay.fill_in(page) for stay, page in zip(stays, pages, strict=True)))


async def _expire(world: World, stays: Stays) -> None:
    await _pages(world, stays)
    await world.advance(hours=3)


async def _time_out(world: World, stays: Stays) -> None:
    await _held(world, stays)
    await world.advance(hours=5)


async def _capture_outside(world: World, stays: Stays) -> None:
    await _held(world, stays)
    await _each(stays, lambda stay: stay.dashboard("capture"))


async def _capture_part_outside(world: World, stays: Stays) -> None:
    await _held(world, stays)
    await _each(stays, lambda stay: stay.dashboard("capture", {"amount": 5000}))


async def _cancel_outside(world: World, stays: Stays) -> None:
    await _held(world, stays)
    await _each(stays, lambda stay: stay.dashboard("cancel"))


async def _pay_late(world: World, stays: Stays) -> None:
    """The hold is placed while no webhook arrives; the last look before the window's end finds it."""
    await _pages(world, stays)
    await _each(stays, lambda stay: stay.pay(GOOD_CARD))
    world.postman.on_strike = True
    await world.advance(hours=3)
    world.postman.on_strike = False


def _path(name: str, play: Callable[[World, Stays], Awaitable[None]], end: Status, **terms: Any) -> Path:
    return Path(name, play, frozenset({end}), {"approval_sla_s": 4 * 86400, **terms})


PATHS = (
    _path("approve", _approve, Status.CONFIRMED),
    _path("decline", _decline, Status.DECLINED),
    _path("guest cancels while held", _cancel_held, Status.CANCELLED),
    _path("guest cancels before paying", _cancel_unpaid, Status.CANCELLED),
    _path("guest cancels after confirmation", _cancel_confirmed, Status.CANCELLED),
    _path("nobody pays", _expire, Status.EXPIRED, payment_window_s=2 * 3600),
    _path("nobody decides", _time_out, Status.DECLINED, approval_sla_s=4 * 3600),
    _path("captured in the Dashboard", _capture_outside, Status.CONFIRMED),
    _path("captured in part in the Dashboard", _capture_part_outside, Status.DECLINED),
    _path("cancelled in the Dashboard", _cancel_outside, Status.DECLINED),
    _path("paid while no webhook arrives", _pay_late, Status.PENDING_APPROVAL, payment_window_s=2 * 3600),
    _path("staff cancel after confirmation", _staff_cancel, Status.CANCELLED),
    _path("declined after it was approved", _decide_twice, Status.CONFIRMED),
    _path("refunded in part in the Dashboard", _refund_outside, Status.CONFIRMED),
    _path("disputed", _dispute, Status.CONFIRMED),
    _path("paid after the window", _pay_too_late, Status.EXPIRED, payment_window_s=2 * 3600),
    _path("paid twice", _pay_twice, Status.PENDING_APPROVAL),
    _path("paid the wrong amount", _pay_wrong_amount, Status.PENDING_PAYMENT, payment_window_s=86400),
)
