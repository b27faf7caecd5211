"""`booking`: show a booking, and send `retry` and `resolve` to one that needs attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from dispatch.operator_commands import (
    OperatorAction,
    OperatorOutcome,
    OperatorRequest,
    OperatorResult,
    Resolution,
    send_operator_command,
)
from domain.booking import Status
from domain.errors import DomainError
from domain.identifiers import workflow_in_ui
from domain.money import parse
from management.account import BookingRows, Workflow, read_rows, read_workflow
from management.checks import BookingId
from management.showing import console, show
from management.tools import DONE, FAILED, UNAVAILABLE, UNDER_WAY, USAGE, Tools, fail, say, tools_of
from models import Booking, utc_now
from storage.bookings import booking_by_id
from wording.staff import REFUSALS

app = typer.Typer(no_args_is_help=True, help="Show bookings, and help those that need attention.")

PaidElsewhere = Annotated[
    str | None,
    typer.Option(metavar="AMOUNT", help="Amount you paid the guest outside Stripe, such as 150.00."),
]
Withdraw = Annotated[
    bool, typer.Option("--withdraw", help="Withdraw the guest's cancellation, which failed.")
]
Note = Annotated[str, typer.Option(help="Note to the guest about the withdrawal; at most 1000 characters.")]
_LONGEST_NOTE: Final = 1000
WaitS = Annotated[float, typer.Option(min=1, max=600, help="Seconds to wait for the outcome.")]


@app.command("show")
def show_(context: typer.Context, booking_id: BookingId) -> None:
    """Show a booking: money, deadline, timeline, e-mails, the state of its workflow, and the next steps.

    Exit status: 0 shown; 1 no such booking; 3 the database is away, or Temporal is (the database's rows are
    shown all the same).
    """
    tools = tools_of(context)
    rows, workflow = tools.run(_read(tools, booking_id))
    settings = tools.settings
    ui = settings.temporal_ui_url
    address = workflow_in_ui(ui, settings.temporal_namespace, booking_id) if ui else None
    show(console(), rows, workflow, livemode=settings.stripe_livemode, ui=address, now=utc_now())
    if isinstance(workflow, str):
        raise typer.Exit(UNAVAILABLE)


async def _read(tools: Tools, booking_id: str) -> tuple[BookingRows, Workflow | str]:
    async with tools.database() as database:
        rows = await read_rows(database, booking_id)
    if rows is None:
        fail(f"There is no booking {booking_id}.")
    return rows, await read_workflow(tools, booking_id)


@app.command("retry")
def retry(context: typer.Context, booking_id: BookingId, wait_s: WaitS = 20) -> None:
    """Try the failed steps again, after their cause is gone.

    May be repeated: each step reads Stripe first, and nothing is captured or refunded twice.

    Exit status: 0 done; 1 it still needs attention, has no running workflow, or there is no such booking;
    3 a service is away; 4 sent and safe, but the outcome is not known yet.
    """
    _end(_send_command(tools_of(context), booking_id, OperatorRequest(OperatorAction.RETRY), wait_s))


@app.command("resolve")
def resolve(
    context: typer.Context,
    booking_id: BookingId,
    paid_elsewhere: PaidElsewhere = None,
    withdraw: Withdraw = False,
    note: Note = "",
    wait_s: WaitS = 20,
) -> None:
    """Say what you have done; Stripe is read first, and no refund is tried again.

    With --paid-elsewhere you have paid the guest outside Stripe. It is refused while a refund is pending, where
    nothing is owed, and above what is owed; less leaves the rest owed. A cancellation ends with it.

    With --withdraw the guest's failed cancellation is withdrawn. They are mailed the note, and their next
    cancellation costs what this one would have.

    With neither, open attention is cleared, unless the guest is owed money. A guest's cancellation of a
    booking the hotel has not decided on is never dropped: while the hold stands, its release is tried again.

    Exit status: 0 done; 1 it still needs attention, has no running workflow, or there is no such booking;
    3 a service is away; 4 sent and safe, but the outcome is not known yet.
    """
    tools = tools_of(context)
    if withdraw and paid_elsewhere is not None:
        fail("Give one of --paid-elsewhere and --withdraw.", USAGE)
    if withdraw != bool(note.strip()):
        fail("--withdraw and --note go together: the guest is told why.", USAGE)
    if len(note) > _LONGEST_NOTE:
        fail(f"--note: at most {_LONGEST_NOTE} characters.", USAGE)
    paid_minor = None if paid_elsewhere is None else tools.run(_in_minor(tools, booking_id, paid_elsewhere))
    resolution = Resolution(paid_minor, withdraw, note.strip() or None)
    _end(_send_command(tools, booking_id, OperatorRequest(OperatorAction.RESOLVE, resolution), wait_s))


async def _in_minor(tools: Tools, booking_id: str, amount: str) -> int:
    async with tools.database() as database, database.reading() as db:
        booking = await booking_by_id(db, booking_id)
    if booking is None:
        fail(f"There is no booking {booking_id}.")
    try:
        paid = parse(amount, booking.currency)
    except DomainError as error:
        fail(f"--paid-elsewhere: {error}", USAGE)
    if paid.minor <= 0:
        fail("--paid-elsewhere: an amount above zero.", USAGE)
    return paid.minor


def _send_command(tools: Tools, booking_id: str, request: OperatorRequest, wait_s: float) -> OperatorReport:
    async def work() -> OperatorReport:
        async with tools.database() as database:
            temporal = await tools.temporal()
            result = await send_operator_command(database, temporal, booking_id, request, wait_s=wait_s)
            return _report(request.action, booking_id, result, wait_s)

    return tools.run(work())


def _end(report: OperatorReport) -> None:
    if report.exit_status:
        fail(report.words, report.exit_status)
    say(report.words)


@dataclass(frozen=True)
class OperatorReport:
    """A command's exit status, and its text for the operator."""

    exit_status: int
    words: str


def _report(
    kind: OperatorAction, booking_id: str, result: OperatorResult | None, wait_s: float
) -> OperatorReport:
    """Put the outcome of `kind` into words.

    Args:
        result: None if there is no such booking.
        wait_s: seconds the command waited for the outcome.
    """
    if result is None:
        return OperatorReport(FAILED, f"There is no booking {booking_id}.")
    row = result.booking
    where = f"{row.status}, version {row.version}"
    match result.outcome:
        case OperatorOutcome.NO_WORKFLOW:
            return OperatorReport(FAILED, _no_workflow(row))
        case OperatorOutcome.UNDER_WAY:
            return OperatorReport(
                UNDER_WAY,
                f"{booking_id}: `{kind}` is safe with its workflow, which has not answered within "
                f"{wait_s:g} s; it is {where}. Is a worker running? `booking show` shows more.",
            )
        case OperatorOutcome.NEEDS_ATTENTION:
            reasons = "; ".join(f"{reason.code}: {reason.text}" for reason in result.attention)
            return OperatorReport(FAILED, f"{booking_id} still needs attention ({where}): {reasons}")
        case OperatorOutcome.REFUSED:
            assert result.refusal is not None, "a refusal says why"
            return OperatorReport(
                FAILED, f"{booking_id}: nothing was changed. {REFUSALS[result.refusal]} It is {where}."
            )
        case OperatorOutcome.NOTHING_TO_DO:
            return OperatorReport(DONE, f"{booking_id}: nothing to do. Stripe agrees; it is {where}.")
        case OperatorOutcome.DONE:
            return OperatorReport(DONE, f"{booking_id}: done, nothing left to do. It is {where}.")


def _no_workflow(row: Booking) -> str:
    if row.status == Status.DRAFT:
        return f"{row.booking_id} is a draft: it was not submitted, so there is nothing to do."
    if not row.needs_attention:
        return (
            f"{row.booking_id} has no running workflow. It is {row.status}, and nothing is left to do; if its stay "
            "is still to come, `python manage.py reconcile` starts its workflow again."
        )
    return (
        f"{row.booking_id} has no running workflow that could do this. `python manage.py reconcile` starts it "
        "again; then repeat this command."
    )
