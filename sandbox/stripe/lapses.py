"""What the passing of time does: sessions expire, holds lapse, refunds come to their end."""

from __future__ import annotations

import asyncio
from typing import Final

from sandbox.stripe.checkout import expire
from sandbox.stripe.payments import lapse
from sandbox.stripe.refunds import settle
from sandbox.stripe.state import Sandbox

_LOOK_EVERY_S: Final = 0.2


def sweep(sandbox: Sandbox) -> None:
    """Expire every session, lapse every hold and settle every refund whose time has come.

    Called before each request too, so that nobody ever sees a hold that the bank has let go.
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
