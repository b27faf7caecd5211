"""`guest`: guests' rights over their data."""

from __future__ import annotations

from typing import Final

import typer

from domain.booking import Status
from domain.erasure import reason_to_keep
from management.checks import BookingId
from management.tools import Tools, fail, say, tools_of
from models import utc_now
from storage.erasure import booking_to_erase, erase_guest

app = typer.Typer(no_args_is_help=True, help="Guests' rights over their data.")

_ELSEWHERE: Final = (
    "Elsewhere: Stripe keeps what the guest typed there, and your mail server its logs; see docs/runbook.md."
)


@app.callback()
def group() -> None:
    """Keep `guest erase` as two words although it is the only command."""


@app.command("erase")
def erase(context: typer.Context, booking_id: BookingId) -> None:
    """Remove a guest's data from a booking that is over; amounts, times and Stripe's ids stay.

    A booking is over if it was declined, expired or cancelled, or if the day of check-out has begun. The guest gets
    no more e-mails about it. This cannot be undone.

    Exit status: 0 done, now or before; 1 refused, or no such booking; 3 the database is away.
    """
    tools = tools_of(context)
    done_before = tools.run(_erase(tools, booking_id))
    if done_before:
        say(f"{booking_id}: the guest's data was removed on {done_before} already.")
        return
    say(f"{booking_id}: the guest's name, addresses, requests and notes about them are removed for good.")
    say(_ELSEWHERE)


async def _erase(tools: Tools, booking_id: str) -> str | None:
    """Erase the guest, and return the time of an earlier erasure, if any."""
    async with tools.database() as database, database.transaction() as db:
        booking = await booking_to_erase(db, booking_id)
        if booking is None:
            fail(f"There is no booking {booking_id}.")
        stay_over = utc_now() >= booking.check_out_at
        reason = reason_to_keep(Status(booking.status), stay_over=stay_over)
        if reason is not None:
            fail(f"{booking_id}: the guest's data is still needed: {reason}.")
        before = booking.guest_erased_at
        # Erase again even then: a payment page that opened at that moment may have stored its address again.
        await erase_guest(db, booking, utc_now())
        return f"{before:%Y-%m-%d %H:%M} UTC" if before else None
