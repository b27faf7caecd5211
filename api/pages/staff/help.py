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
from dispatch.operator_commands import OperatorAction, OperatorCommandSender, OperatorResult

router = staff_router()

_WAIT_S: Final = 5
_PATIENCE_S: Final = 12
"""Beside the outcome, several calls to database and Temporal are waited for."""


@router.post("/bookings/{booking_id}/help/")
async def send_operator_command(console: ManagingConsole, booking_id: BookingId) -> Response:
    """Try again what got stuck, or take it as settled by hand."""
    form = await console.page.form()
    await console.find(booking_id)
    if form.get("kind") not in set(OperatorAction):
        raise invalid("kind", "Choose one of the two buttons.")
    try:
        result = await _send_command(console, booking_id, OperatorAction(form["kind"]))
    except ProblemError as problem:
        return show_problem(console.page, problem, back=booking_address(booking_id))
    return console.page.redirect(booking_address(booking_id, f"operator_outcome={result.outcome}"))


async def _send_command(console: ManagingConsole, booking_id: str, kind: OperatorAction) -> OperatorResult:
    services = console.services
    sender = OperatorCommandSender(
        services.database, services.temporal, booking_id, _WAIT_S, console.me.email
    )
    try:
        with database_errors(), temporal_errors():
            async with asyncio.timeout(_PATIENCE_S):
                result = await sender.send(kind)
    except WorkflowGoneError:
        # The workflow's own absence is an outcome; what is not found here is Temporal's namespace.
        raise temporal_away() from None
    if result is None:
        raise not_found("booking")
    return result
