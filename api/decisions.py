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
from api.views import BookingView, DecidedBooking, Found, show
from api.workflow_calls import outcome, send_decision
from domain.booking import ENDED, ActorKind, Decision, ReasonCode, Status
from domain.deadlines import midnight
from domain.decisions import Verdict, judge
from domain.identifiers import new_command_id
from domain.messages import Command
from models import BookingCommand, Staff, utc_now
from storage.bookings import close_command, open_command

_NOT_SENT: Final = "not_sent"

# A signal may arrive although its sender did not hear so. Asking again does no harm.
_UNCERTAIN: Final = (
    "The booking engine has not answered, and the decision may have been taken or not. Look at the booking, "
    "and try again: nothing is done twice."
)

# Where a row says one of these, no later version of it can say otherwise.
_FINAL: Final = frozenset({Verdict.SETTLED, Verdict.ALREADY_DECIDED})

_DETAILS: Final[Mapping[Verdict, str]] = {
    Verdict.NOT_AUTHORIZED: "No card is held for this booking yet; wait until it is PENDING_APPROVAL.",
    Verdict.ALREADY_DECIDED: "This booking has been decided otherwise; `booking` shows how.",
    Verdict.IN_PROGRESS: "A decision is being carried out right now; look at the booking again shortly.",
    Verdict.NOT_CANCELLABLE: "A booking in this status cannot be cancelled by you.",
    Verdict.TOO_LATE: "The booking cannot be cancelled once the day of check-in has begun.",
}


@dataclass(frozen=True)
class Asked:
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


async def decide(services: Services, found: Found, asked: Asked) -> Response:
    """Have a decision carried out, and wait a while for it.

    Returns:
        200 with the booking where it was carried out, by this caller or another; 202 where it is under way.

    Raises:
        ProblemError: 409 where it came out otherwise; 503 where a dependency is away. The detail says
            whether the decision has been taken nevertheless.
    """
    verdict = _by_row(found, asked)
    if verdict is not None:
        return await _tell(services, found, verdict)
    command = await _keep(services, found, asked)
    try:
        await send_decision(services, found.booking.booking_id, asked.decision, command)
    except WorkflowGoneError:
        return await _too_late_to_ask(services, found, asked, command.command_id)
    except ProblemError as error:
        await _close(services, command.command_id, _NOT_SENT)
        raise unavailable(error.code, _UNCERTAIN) from error
    return await _await(services, found, asked, command.command_id)


def _by_row(found: Found, asked: Asked, *, workflow_gone: bool = False) -> Verdict | None:
    """Judge by the row, where it is the last word: the workflow is not there, or cannot undo it."""
    row = found.booking
    status = Status(row.status)
    checked_in = utc_now() >= midnight(row.check_in, found.hotel.timezone)
    verdict = judge(asked.decision, asked.actor, status, row.reason_code, checked_in=checked_in)
    if workflow_gone or status is Status.DRAFT or status in ENDED or verdict in _FINAL:
        return verdict
    return None


async def _keep(services: Services, found: Found, asked: Asked) -> Command:
    """Keep a decision in the books; what is signalled of it names the same moment and status."""
    asked_at, asked_in = utc_now(), Status(found.booking.status)
    command = Command(
        command_id=new_command_id(),
        actor=asked.actor,
        staff_id=asked.staff.id if asked.staff else None,
        reason_code=asked.reason_code,
        asked_at=asked_at,
        asked_in=asked_in,
    )
    row = BookingCommand(
        command_id=command.command_id,
        booking_id=found.booking.booking_id,
        kind=asked.decision,
        actor=asked.staff.email if asked.staff else ActorKind.GUEST,
        reason_code=asked.reason_code,
        reason_note=asked.reason_note,
        asked_in=asked_in,
        created_at=asked_at,
    )
    async with transaction(services.database) as db:
        await open_command(db, row)
    return command


async def _close(services: Services, command_id: str, verdict: str) -> None:
    """Close a decision nobody will carry out. At best: the books show it open otherwise, no more."""
    try:
        async with transaction(services.database) as db:
            await close_command(db, command_id, verdict, utc_now())
    except ProblemError:
        return


async def _too_late_to_ask(services: Services, found: Found, asked: Asked, command_id: str) -> Response:
    """The workflow has ended: what it left in the row counts."""
    found = await _look_again(services, found)
    verdict = _by_row(found, asked, workflow_gone=True)
    await _close(services, command_id, verdict or _NOT_SENT)
    if verdict is None:
        # A booking that is not over has lost its workflow; reconciliation gives it another one.
        raise temporal_away()
    return await _tell(services, found, verdict)


async def _await(services: Services, found: Found, asked: Asked, command_id: str) -> Response:
    came_out = await outcome(services, found.booking.booking_id, command_id)
    try:
        found = await _look_again(services, found)
        verdict = came_out.verdict if came_out else _by_row(found, asked)
        return await _tell(services, found, verdict or Verdict.NEEDS_ATTENTION)
    except ProblemError as error:
        if error.status != 503:
            raise
        detail = "The decision has been taken and is safe, but the booking cannot be shown now. Look again."
        raise unavailable(error.code, detail) from error


async def _look_again(services: Services, found: Found) -> Found:
    return await find(services, found.hotel.slug, found.booking.booking_id)


async def _tell(services: Services, found: Found, verdict: Verdict) -> Response:
    async with reading(services.database) as db:
        view = await show(db, found)
    if verdict in _DETAILS:
        raise conflict(verdict, _DETAILS[verdict], view.model_dump(mode="json"))
    settled = verdict is Verdict.SETTLED
    return JSONResponse(_decided(view, settled).model_dump(mode="json"), 200 if settled else 202)


def _decided(view: BookingView, settled: bool) -> DecidedBooking:
    return DecidedBooking(**view.model_dump(mode="python", by_alias=False), settled=settled)
