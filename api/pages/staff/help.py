"""The buttons that help a booking that got stuck."""

from __future__ import annotations

from typing import Final

from fastapi.responses import Response

from api.auth import BookingId
from api.errors import ProblemError, invalid, not_found
from api.outages import mapped_outages
from api.pages.routing import show_problem
from api.pages.staff.console import ManagingConsole, staff_router
from api.pages.staff.decide import booking_address
from dispatch.operator_commands import OperatorAction, OperatorResult, send_operator_command

router = staff_router()

_WAIT_S: Final = 5


@router.post("/bookings/{booking_id}/help/")
async def help_booking(console: ManagingConsole, booking_id: BookingId) -> Response:
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
    with mapped_outages():
        result = await send_operator_command(
            services.database, services.temporal, booking_id, kind, wait_s=_WAIT_S, actor=console.me.email
        )
    if result is None:
        raise not_found("booking")
    return result
