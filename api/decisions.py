"""Carrying a person's decision to the booking's workflow, and telling that person how it came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Response
from fastapi.responses import JSONResponse

from api.auth import find
from api.errors import ProblemError, conflict, unavailable
from api.outages import WorkflowGoneError, reading, temporal_away, transaction
from api.services import Services
from api.views import BookingDetails, BookingView, DecidedBooking, show
from api.workflow_calls import await_outcome, send_decision
from domain.booking import ENDED, ActorKind, Decision, ReasonCode, Status
from domain.deadlines import midnight
from domain.decisions import CommandOutcome, immediate_outcome
from domain.identifiers import new_command_id
from domain.messages.signals import Command
from models import BookingCommand, Staff, utc_now
from storage.bookings import close_command, open_command

_NOT_SENT: Final = "not_sent"

# A signal may arrive although its sender did not hear so. Asking again does no harm.
_UNCERTAIN: Final = (
    "The booking engine has not answered, and the decision may have been taken or not. Look at the booking, "
    "and try again: nothing is done twice."
)

# Where a row says one of these, no later version of it can say otherwise.
_FINAL: Final = frozenset({CommandOutcome.SETTLED, CommandOutcome.ALREADY_DECIDED})

_DETAILS: Final[Mapping[CommandOutcome, str]] = {
    CommandOutcome.NOT_AUTHORIZED: "No card is held for this booking yet; wait until it is PENDING_APPROVAL.",
    CommandOutcome.ALREADY_DECIDED: "This booking has been decided otherwise; `booking` shows how.",
    CommandOutcome.IN_PROGRESS: "A decision is being carried out right now; look at the booking again shortly.",
    CommandOutcome.NOT_CANCELLABLE: "A booking in this status cannot be cancelled by you.",
    CommandOutcome.TOO_LATE: "The booking cannot be cancelled once the day of check-in has begun.",
}


@dataclass(frozen=True)
class DecisionInput:
    """What a person asks for.

    Args:
        staff: who, or None for the guest.
        reason_code, reason_note: why, for a decline. The note stays in the database.
    """

    decision: Decision
    staff: Staff | None = None
    reason_code: ReasonCode | None = None
    reason_note: str | None = None

    @property
    def actor(self) -> ActorKind:
        """In which capacity."""
        return ActorKind.STAFF if self.staff else ActorKind.GUEST


async def decide(services: Services, found: BookingDetails, request: DecisionInput) -> Response:
    """Have a decision carried out, and wait a while for it.

    Returns:
        200 with the booking where it was carried out, by this caller or another; 202 where it is under way.

    Raises:
        ProblemError: 409 where it came out otherwise; 503 where a dependency is away. The detail says
            whether the decision has been taken nevertheless.
    """
    outcome = _outcome_by_projection(found, request)
    if outcome is not None:
        return await _respond(services, found, outcome)
    command = await _store_command(services, found, request)
    try:
        await send_decision(services, found.booking.booking_id, request.decision, command)
    except WorkflowGoneError:
        return await _answer_from_projection(services, found, request, command.command_id)
    except ProblemError as error:
        await _close(services, command.command_id, _NOT_SENT)
        raise unavailable(error.code, _UNCERTAIN) from error
    return await _await(services, found, request, command.command_id)


def _outcome_by_projection(
    found: BookingDetails, request: DecisionInput, *, workflow_gone: bool = False
) -> CommandOutcome | None:
    """Judge by the row, where it is the last word: the workflow is not there, or cannot undo it."""
    row = found.booking
    status = Status(row.status)
    checked_in = utc_now() >= midnight(row.check_in, found.hotel.timezone)
    outcome = immediate_outcome(
        request.decision, request.actor, status, row.reason_code, checked_in=checked_in
    )
    if workflow_gone or status is Status.DRAFT or status in ENDED or outcome in _FINAL:
        return outcome
    return None


async def _store_command(services: Services, found: BookingDetails, request: DecisionInput) -> Command:
    """Keep a decision in the books; what is signalled of it names the same moment and status."""
    issued_at, status_when_issued = utc_now(), Status(found.booking.status)
    command = Command(
        command_id=new_command_id(),
        actor=request.actor,
        staff_id=request.staff.id if request.staff else None,
        reason_code=request.reason_code,
        issued_at=issued_at,
        status_when_issued=status_when_issued,
    )
    row = BookingCommand(
        command_id=command.command_id,
        booking_id=found.booking.booking_id,
        kind=request.decision,
        actor=request.staff.email if request.staff else ActorKind.GUEST,
        reason_code=request.reason_code,
        reason_note=request.reason_note,
        status_when_issued=status_when_issued,
        created_at=issued_at,
    )
    async with transaction(services.database) as db:
        await open_command(db, row)
    return command


async def _close(services: Services, command_id: str, outcome: str) -> None:
    """Close a decision nobody will carry out. At best: the books show it open otherwise, no more."""
    try:
        async with transaction(services.database) as db:
            await close_command(db, command_id, outcome, utc_now())
    except ProblemError:
        return


async def _answer_from_projection(
    services: Services, found: BookingDetails, request: DecisionInput, command_id: str
) -> Response:
    """The workflow has ended: what it left in the row counts."""
    found = await _look_again(services, found)
    outcome = _outcome_by_projection(found, request, workflow_gone=True)
    await _close(services, command_id, outcome or _NOT_SENT)
    if outcome is None:
        # A booking that is not over has lost its workflow; reconciliation gives it another one.
        raise temporal_away()
    return await _respond(services, found, outcome)


async def _await(
    services: Services, found: BookingDetails, request: DecisionInput, command_id: str
) -> Response:
    result = await await_outcome(services, found.booking.booking_id, command_id)
    try:
        found = await _look_again(services, found)
        outcome = result.outcome if result else _outcome_by_projection(found, request)
        return await _respond(services, found, outcome or CommandOutcome.NEEDS_ATTENTION)
    except ProblemError as error:
        if error.status != 503:
            raise
        detail = "The decision has been taken and is safe, but the booking cannot be shown now. Look again."
        raise unavailable(error.code, detail) from error


async def _look_again(services: Services, found: BookingDetails) -> BookingDetails:
    return await find(services, found.hotel.slug, found.booking.booking_id)


async def _respond(services: Services, found: BookingDetails, outcome: CommandOutcome) -> Response:
    async with reading(services.database) as db:
        view = await show(db, found)
    if outcome in _DETAILS:
        raise conflict(outcome, _DETAILS[outcome], view.model_dump(mode="json"))
    settled = outcome is CommandOutcome.SETTLED
    return JSONResponse(_decided(view, settled).model_dump(mode="json"), 200 if settled else 202)


def _decided(view: BookingView, settled: bool) -> DecidedBooking:
    return DecidedBooking(**view.model_dump(mode="python", by_alias=False), settled=settled)
