"""Deciding: one page shows the effect and asks, one form decides. Retry and resolve have only forms.

A GET never decides: mail scanners and browsers that prefetch open links.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from api.auth import BookingId
from api.decisions import DecisionInput, cancellation_by, decide
from api.errors import ProblemError, invalid, not_found
from api.outages import mapped_outages, reading
from api.pages.routing import show_problem
from api.pages.staff.booking import StaffBookingView, staff_booking_view
from api.pages.staff.console import Console, DecidingConsole, ManagingConsole, staff_router
from api.pages.staff.letters import Letter, cancel_letter, decline_letter
from api.schemas import CancelIn, DeclineIn
from api.views import BookingDetails
from dispatch.operator_commands import (
    OperatorAction,
    OperatorRequest,
    OperatorResult,
    Resolution,
    send_operator_command,
)
from domain.booking import STAFF_REASON_CODES, Decision, ReasonCode
from domain.errors import DomainError
from domain.money import Money, parse
from models import Booking, utc_now
from storage.owed import refund_for_cancelling
from wording import staff as words
from wording.values import money_in_words

router = staff_router()

Wishes = TypeVar("Wishes", bound=BaseModel)

# The most frequent first; OTHER, the least specific, last.
_REASON_CHOICES: Final = [
    (code, words.REASONS[code])
    for code in ReasonCode
    if code in STAFF_REASON_CODES and code is not ReasonCode.OTHER
] + [(ReasonCode.OTHER, words.REASONS[ReasonCode.OTHER])]

_CHOOSE_A_REASON: Final = "Choose a reason."
_OPERATOR_WAIT_S: Final = 5
_LONGEST_NOTE: Final = 1000


def booking_address(booking_id: str, query: str = "") -> str:
    """A booking's page."""
    return f"/staff/bookings/{booking_id}/" + (f"?{query}" if query else "")


async def _read_view(console: Console, found: BookingDetails) -> StaffBookingView:
    async with reading(console.services.database) as db:
        return await staff_booking_view(db, found, console.colleague, utc_now())


async def _carry_out(console: Console, found: BookingDetails, request: DecisionInput) -> Response:
    """Carry out a decision; the booking's page then shows the outcome.

    Raises:
        ProblemError: 422, an impossible refund.
    """
    booking_id, refusal = found.booking.booking_id, ""
    try:
        await decide(console.services, found, request)
    except ProblemError as problem:
        if problem.status == 422:
            raise
        if problem.status != 409:
            title = "The outcome is not known yet" if problem.status == 503 else None
            return show_problem(console.page, problem, title, booking_address(booking_id))
        refusal = f"&refusal={problem.code}"
    return console.page.redirect(booking_address(booking_id, f"decision={request.decision}{refusal}"))


# --- approve --------------------------------------------------------------------------------------------


@router.get("/bookings/{booking_id}/approve/")
async def ask_to_approve(console: DecidingConsole, booking_id: BookingId) -> Response:
    """Show the amount that approving captures."""
    found = await console.find(booking_id)
    shown = await _read_view(console, found)
    if not shown.may.decide:
        return console.page.redirect(booking_address(booking_id))
    return await console.show("approve.html", booking=shown)


@router.post("/bookings/{booking_id}/approve/")
async def approve(console: DecidingConsole, booking_id: BookingId) -> Response:
    """Capture the hold."""
    await console.page.form()
    found = await console.find(booking_id)
    return await _carry_out(console, found, DecisionInput(Decision.APPROVE, console.me))


# --- decline --------------------------------------------------------------------------------------------


@router.get("/bookings/{booking_id}/decline/")
async def ask_to_decline(console: DecidingConsole, booking_id: BookingId) -> Response:
    """Ask for the reason, and show the e-mail to the guest."""
    found = await console.find(booking_id)
    shown = await _read_view(console, found)
    if not shown.may.decide:
        return console.page.redirect(booking_address(booking_id))
    return await _show_decline(console, found, shown)


@router.post("/bookings/{booking_id}/decline/")
async def decline(console: DecidingConsole, booking_id: BookingId) -> Response:
    """Release the hold; the guest reads why."""
    form = await console.page.form()
    found = await console.find(booking_id)
    why, errors = _read(form)
    if not form.get("reason_code"):
        errors = {"reason_code": _CHOOSE_A_REASON} | errors
    if why is None or errors:
        shown = await _read_view(console, found)
        return await _show_decline(console, found, shown, form, errors, status=422)
    request = DecisionInput(Decision.DECLINE, console.me, why.reason_code, why.reason_note)
    return await _carry_out(console, found, request)


@router.post("/bookings/{booking_id}/decline/preview/")
async def preview(console: DecidingConsole, booking_id: BookingId) -> Response:
    """Show the e-mail again, with the present input. Decides nothing."""
    form = await console.page.form()
    found = await console.find(booking_id)
    _, errors = _read(form)
    if console.page.is_fragment:
        return console.page.show(
            "staff/_letter.html", email=_decline_letter(console, found, form), errors=errors
        )
    shown = await _read_view(console, found)
    return await _show_decline(console, found, shown, form, errors)


async def _show_decline(
    console: Console,
    found: BookingDetails,
    shown: StaffBookingView,
    form: Any = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    given = form or {}
    return await console.show(
        "decline.html",
        status,
        booking=shown,
        choices=_REASON_CHOICES,
        reason_code=given.get("reason_code", ""),
        reason_note=given.get("reason_note", ""),
        errors=errors or {},
        email=_decline_letter(console, found, given),
    )


def _read(form: Any) -> tuple[DeclineIn | None, dict[str, str]]:
    return _read_as(DeclineIn, form)


def _read_as(model: type[Wishes], form: Any) -> tuple[Wishes | None, dict[str, str]]:
    fields = {name: form[name] for name in model.model_fields if form.get(name)}
    # Browsers send line ends as two characters; counted as one, the text fits the limit shown to its author.
    if "reason_note" in fields:
        fields["reason_note"] = fields["reason_note"].replace("\r\n", "\n")
    try:
        return model.model_validate(fields), {}
    except ValidationError as error:
        return None, {str(item["loc"][0]): item["msg"] for item in error.errors()}


def _decline_letter(console: Console, found: BookingDetails, form: Any) -> Letter:
    why = _read(form)[0] or DeclineIn()
    return decline_letter(console, found, why, is_chosen=bool(form.get("reason_code")))


# --- cancel ---------------------------------------------------------------------------------------------


@router.get("/bookings/{booking_id}/cancel/")
async def ask_to_cancel(console: ManagingConsole, booking_id: BookingId) -> Response:
    """Ask for the refund to the guest: everything, unless the manager chooses less."""
    found = await console.find(booking_id)
    shown = await _read_view(console, found)
    if not shown.may.cancel:
        return console.page.redirect(booking_address(booking_id))
    return await _show_cancel(console, found, shown)


@router.post("/bookings/{booking_id}/cancel/")
async def cancel(console: ManagingConsole, booking_id: BookingId) -> Response:
    """Cancel and refund what the manager has chosen."""
    form = await console.page.form()
    found = await console.find(booking_id)
    wishes, errors = _read_as(CancelIn, form)
    if wishes is not None:
        try:
            return await _carry_out(console, found, cancellation_by(console.me, found, wishes))
        except ProblemError as problem:
            errors = {error["field"]: error["message"] for error in problem.members["errors"]}
    return await _show_cancel(console, found, await _read_view(console, found), form, errors, status=422)


@router.post("/bookings/{booking_id}/cancel/preview/")
async def preview_cancellation(console: ManagingConsole, booking_id: BookingId) -> Response:
    """Show the e-mail about the cancellation again, with the present input. Cancels nothing."""
    form = await console.page.form()
    found = await console.find(booking_id)
    wishes, errors = _read_as(CancelIn, form)
    if console.page.is_fragment:
        email = cancel_letter(console, found, wishes or CancelIn())
        return console.page.show("staff/_letter.html", email=email, errors=errors)
    return await _show_cancel(console, found, await _read_view(console, found), form, errors)


async def _show_cancel(
    console: Console,
    found: BookingDetails,
    shown: StaffBookingView,
    form: Any = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    row, given = found.booking, form or {}
    gone_back = row.amount_refunded_minor
    least = max(refund_for_cancelling(row, utc_now()).minor, gone_back)
    return await console.show(
        "cancel.html",
        status,
        booking=shown,
        errors=errors or {},
        refund_amount=given.get("refund_amount", str(Money(row.amount_captured_minor, row.currency))),
        reason_note=given.get("reason_note", ""),
        currency=row.currency,
        least=money_in_words(least, row.currency),
        most=money_in_words(row.amount_captured_minor, row.currency),
        gone_back=money_in_words(gone_back, row.currency) if gone_back else None,
        email=cancel_letter(console, found, _read_as(CancelIn, given)[0] or CancelIn()),
    )


# --- retry and resolve ----------------------------------------------------------------------------------


@router.post("/bookings/{booking_id}/help/")
async def help_booking(console: ManagingConsole, booking_id: BookingId) -> Response:
    """Retry the failed step, or resolve the booking as the manager reports."""
    form = await console.page.form()
    found = await console.find(booking_id)
    try:
        result = await _send_command(console, booking_id, _read_help(console, found.booking, form))
    except ProblemError as problem:
        return show_problem(console.page, problem, back=booking_address(booking_id))
    refusal = f"&refusal={result.refusal}" if result.refusal else ""
    return console.page.redirect(booking_address(booking_id, f"operator_outcome={result.outcome}{refusal}"))


def _read_help(console: ManagingConsole, booking: Booking, form: Any) -> OperatorRequest:
    resolution = Resolution()
    match form.get("kind"):
        case "retry":
            return OperatorRequest(OperatorAction.RETRY, staff=console.me)
        case "resolve":
            pass
        case "paid_elsewhere":
            resolution = Resolution(
                paid_elsewhere_minor=_read_amount(form.get("amount", ""), booking.currency)
            )
        case "withdraw":
            note = form.get("note", "").replace("\r\n", "\n").strip()
            if not 0 < len(note) <= _LONGEST_NOTE:
                raise invalid("note", f"Give the guest a reason in at most {_LONGEST_NOTE} characters.")
            resolution = Resolution(withdraw=True, note=note)
        case _:
            raise invalid("kind", "Choose one of the actions.")
    return OperatorRequest(OperatorAction.RESOLVE, resolution, console.me)


def _read_amount(text: str, currency: str) -> int:
    try:
        paid = parse(text.strip(), currency)
    except DomainError as error:
        raise invalid("amount", str(error)) from None
    if paid.minor <= 0:
        raise invalid("amount", "Enter an amount above zero.")
    return paid.minor


async def _send_command(
    console: ManagingConsole, booking_id: str, request: OperatorRequest
) -> OperatorResult:
    services = console.services
    with mapped_outages():
        result = await send_operator_command(
            services.database, services.temporal, booking_id, request, wait_s=_OPERATOR_WAIT_S
        )
    if result is None:
        raise not_found("booking")
    return result
