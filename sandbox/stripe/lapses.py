"""The effects of time: sessions expire, holds lapse, refunds finish."""

from __future__ import annotations

import asyncio
from typing import Final

from sandbox.stripe.checkout import expire
from sandbox.stripe.payments import lapse
from sandbox.stripe.refunds import settle
from sandbox.stripe.state import Sandbox

_LOOK_EVERY_S: Final = 0.2


def sweep(sandbox: Sandbox) -> None:
    """Expire every session, lapse every hold and finish every refund that is due.

    Also called before each request, so that no caller sees a lapsed hold.
    """
    for obj in sandbox.store.due(sandbox.clock.now_s()):
        with sandbox.change() as change:
            if obj["object"] == "payment_intent":
                lapse(change, obj)
            elif obj["object"] == "refund":
                settle(change, obj)
            else:
                expire(change, obj)


async def sweep_for_ever(sandbox: Sandbox) -> None:
    """Sweep a few times a second, until cancelled."""
    while True:
        sweep(sandbox)
        await asyncio.sleep(_LOOK_EVERY_S)
