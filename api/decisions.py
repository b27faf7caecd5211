"""Sending a person's decision to the booking's workflow, and answering with its outcome."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from fastapi import Response
from fastapi.responses import JSONResponse

from api.auth import find
from api.errors import TEMPORAL_UNAVAILABLE, ProblemError, conflict, invalid, unavailable
from api.outages import mapped_outages, reading, temporal_away
from api.schemas import CancelIn
from api.services import Services
from api.views import BookingDetails, BookingView, DecidedBooking, DecidedStaffBooking, show, show_to_staff
from api.workflow_calls import await_outcome
from dispatch.commands import NOT_SENT, close, send_command
from dispatch.errors import TemporalAwayError
from dispatch.names import DECISION_SIGNALS
from domain.booking import ENDED, ActorKind, Decision, ReasonCode, Status
from domain.decisions import CommandOutcome, cancellable_until, immediate_outcome
from domain.errors import DomainError
from domain.identifiers import new_command_id, workflow_id
from domain.messages.signals import Command
from domain.money import Money, parse
from models import BookingCommand, Staff, utc_now
from storage.database import DATABASE_ERRORS
from storage.owed import refund_for_cancelling

log = logging.getLogger("api.decisions")

# A signal may arrive even if its sender got an error. Sending it again does no harm.
_UNCERTAIN: Final = (
    "The booking engine has not answered, and the decision may or may not have been taken. Look at the booking, "
    "and try again: a repeat changes nothing."
)

# Outcomes that no later version of the row can change.
_FINAL: Final = frozenset({CommandOutcome.SETTLED, CommandOutcome.ALREADY_DECIDED})

_DETAILS: Final[Mapping[CommandOutcome, str]] = {
    CommandOutcome.NOT_AUTHORIZED: "No card is held for this booking yet; wait until it is PENDING_APPROVAL.",
    CommandOutcome.ALREADY_DECIDED: "This booking has already been decided otherwise; `booking` shows how.",
    CommandOutcome.IN_PROGRESS: "A decision is being carried out right now; look at the booking again shortly.",
    CommandOutcome.NOT_CANCELLABLE: "You cannot cancel a booking in this status.",
    CommandOutcome.TOO_LATE: (
        "It is too late: guests cancel until the stay starts, and managers until the day of check-out."
    ),
}


@dataclass(frozen=True)
class DecisionInput:
    """A person's decision.

    Args:
        staff: the author, or None for the guest.
        reason_code, reason_note: the reason of a decline; a manager's cancellation has only a note. The note stays in
            the database.
        refund: the total refund a cancelling manager wants; None for everything.
    """

    decision: Decision
    staff: Staff | None = None
    reason_code: ReasonCode | None = None
    reason_note: str | None = None
    refund: Money | None = None

    @property
    def actor(self) -> ActorKind:
        """The kind of its author."""
        return ActorKind.STAFF if self.staff else ActorKind.GUEST


async def decide(services: Services, found: BookingDetails, request: DecisionInput) -> Response:
    """Carry out a decision, and wait a while for its outcome.

    Returns:
        200 with the booking if the decision is carried out, by this caller or another; 202 if it is under way.

    Raises:
        ProblemError: 409 for another outcome; 422 for an impossible refund; 503 if a dependency is away. The detail
            says whether the decision has been taken nevertheless.
    """
    outcome = _outcome_by_projection(found, request)
    if outcome is not None:
        return await _respond(services, found, request, outcome)
    _check_refund(found, request)
    row, command = _command(found, request)
    signals = {workflow_id(row.booking_id): DECISION_SIGNALS[request.decision]}
    with mapped_outages():
        try:
            taken = await send_command(services.database, services.temporal, row, command, signals)
        except TemporalAwayError as error:
            raise unavailable(TEMPORAL_UNAVAILABLE, _UNCERTAIN) from error
    if not taken:
        return await _answer_from_projection(services, found, request, command.command_id)
    if request.staff:
        log.info("staff decision", extra={"fields": _ids(row, request.staff)})
    return await _answer_once_out(services, found, request, command.command_id)


def _ids(command: BookingCommand, staff: Staff) -> dict[str, object]:
    return {
        "booking_id": command.booking_id,
        "command_id": command.command_id,
        "decision": command.kind,
        "staff_id": staff.id,
    }


def _outcome_by_projection(
    found: BookingDetails, request: DecisionInput, *, workflow_gone: bool = False
) -> CommandOutcome | None:
    """Judge by the row if the workflow has ended or cannot change the outcome any more."""
    row = found.booking
    status = Status(row.status)
    until = cancellable_until(request.actor, row.check_in_at, row.check_out_at)
    outcome = immediate_outcome(
        request.decision, request.actor, status, row.reason_code, too_late=utc_now() >= until
    )
    if workflow_gone or status is Status.DRAFT or status in ENDED or outcome in _FINAL:
        return outcome
    return None


def cancellation_by(manager: Staff, found: BookingDetails, wishes: CancelIn) -> DecisionInput:
    """Build a manager's cancellation.

    Raises:
        ProblemError: 422, the refund is no amount of the booking's currency.
    """
    refund = None
    if wishes.refund_amount is not None:
        try:
            refund = parse(wishes.refund_amount, found.booking.currency)
        except DomainError as error:
            raise invalid("refund_amount", f"{error}.") from None
    return DecisionInput(Decision.CANCEL, manager, reason_note=wishes.reason_note, refund=refund)


def _check_refund(found: BookingDetails, request: DecisionInput) -> None:
    """Refuse a refund below the guest's entitlement or above the captured amount."""
    row = found.booking
    if request.refund is None or Status(row.status) is not Status.CONFIRMED:
        return
    least, most = refund_for_cancelling(row, utc_now()).minor, row.amount_captured_minor
    if not least <= request.refund.minor <= most:
        bounds = " to ".join(str(Money(minor, row.currency)) for minor in (least, most))
        raise invalid("refund_amount", f"The policy and what was captured allow {bounds} {row.currency}.")


def _command(found: BookingDetails, request: DecisionInput) -> tuple[BookingCommand, Command]:
    """Build a decision's row and its signal, with the same time and status."""
    issued_at, status_when_issued = utc_now(), Status(found.booking.status)
    command = Command(
        command_id=new_command_id(),
        actor=request.actor,
        staff_id=request.staff.id if request.staff else None,
        reason_code=request.reason_code,
        issued_at=issued_at,
        refund_minor=request.refund.minor if request.refund else None,
        status_when_issued=status_when_issued,
    )
    row = BookingCommand(
        command_id=command.command_id,
        booking_id=found.booking.booking_id,
        kind=request.decision,
        actor=request.staff.email if request.staff else ActorKind.GUEST,
        reason_code=request.reason_code,
        reason_note=request.reason_note,
        refund_minor=command.refund_minor,
        status_when_issued=status_when_issued,
        created_at=issued_at,
    )
    return row, command


async def _answer_from_projection(
    services: Services, found: BookingDetails, request: DecisionInput, command_id: str
) -> Response:
    """Answer from the row, because the workflow has ended."""
    found = await _look_again(services, found)
    outcome = _outcome_by_projection(found, request, workflow_gone=True)
    with suppress(*DATABASE_ERRORS):
        await close(services.database, command_id, outcome or NOT_SENT)
    if outcome is None:
        # A booking that is not over has lost its workflow; reconciliation starts a new one.
        raise temporal_away()
    return await _respond(services, found, request, outcome)


async def _answer_once_out(
    services: Services, found: BookingDetails, request: DecisionInput, command_id: str
) -> Response:
    answered = await await_outcome(services, found.booking, command_id)
    try:
        found, outcome = answered or (await _look_again(services, found), None)
        outcome = outcome or _outcome_by_projection(found, request)
        return await _respond(services, found, request, outcome or CommandOutcome.NEEDS_ATTENTION)
    except ProblemError as error:
        if error.status != 503:
            raise
        detail = "The decision has been taken and is safe, but the booking cannot be shown now. Look again."
        raise unavailable(error.code, detail) from error


async def _look_again(services: Services, found: BookingDetails) -> BookingDetails:
    return await find(services, found.hotel.slug, found.booking.booking_id)


async def _respond(
    services: Services, found: BookingDetails, request: DecisionInput, outcome: CommandOutcome
) -> Response:
    view: BookingView
    async with reading(services.database) as db:
        view = (await show_to_staff(db, [found]))[0] if request.staff else show(found)
    if outcome in _DETAILS:
        raise conflict(outcome, _DETAILS[outcome], view.model_dump(mode="json"))
    settled = outcome is CommandOutcome.SETTLED
    answer = DecidedStaffBooking if request.staff else DecidedBooking
    decided = answer(**view.model_dump(mode="python", by_alias=False), settled=settled)
    return JSONResponse(decided.model_dump(mode="json"), 200 if settled else 202)
