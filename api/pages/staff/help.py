"""The buttons that help a booking that got stuck."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi.responses import Response

from api.auth import BookingId
from api.errors import ProblemError, invalid, not_found
from api.outages import WorkflowGoneError, database_errors, temporal_away, temporal_errors
from api.pages.routing import show_problem
from api.pages.staff.console import ManagingConsole, staff_router
from api.pages.staff.decide import booking_address
from dispatch.operator_commands import Help, Helped, Helper

router = staff_router()

_WAIT_S: Final = 5
_PATIENCE_S: Final = 12
"""Beside the outcome, several calls to database and Temporal are waited for."""


@router.post("/bookings/{booking_id}/help/")
async def help_booking(console: ManagingConsole, booking_id: BookingId) -> Response:
    """Try again what got stuck, or take it as settled by hand."""
    form = await console.page.form()
    await console.find(booking_id)
    if form.get("kind") not in set(Help):
        raise invalid("kind", "Choose one of the two buttons.")
    try:
        helped = await _help(console, booking_id, Help(form["kind"]))
    except ProblemError as problem:
        return show_problem(console.page, problem, back=booking_address(booking_id))
    return console.page.redirect(booking_address(booking_id, f"helped={helped.came}"))


async def _help(console: ManagingConsole, booking_id: str, kind: Help) -> Helped:
    services = console.services
    helper = Helper(services.database, services.temporal, booking_id, _WAIT_S, console.me.email)
    try:
        with database_errors(), temporal_errors():
            async with asyncio.timeout(_PATIENCE_S):
                helped = await helper.help(kind)
    except WorkflowGoneError:
        # The workflow's own absence is an outcome; what is not found here is Temporal's namespace.
        raise temporal_away() from None
    if helped is None:
        raise not_found("booking")
    return helped
