"""`python -m sandbox.demo`: run the scenarios, print them, check them; exit status 0 if every promise holds."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from sandbox.demo.report import ScenarioReport, console, print_checks, print_report
from sandbox.demo.scenarios import DemoParticipants, Progress, ScenarioRun, drive_all
from sandbox.demo.setup import DemoStack, check_invariants, log_in_participants, set_up
from sandbox.stack import PartError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    keep: Annotated[
        Path | None, typer.Option(help="Keep logs and data in this folder; by default they are deleted.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the checks alone.")] = False,
) -> None:
    """Run eight bookings with different outcomes, and check every promise.

    Needs no account and no running service: starts all parts on this machine, on free ports, and stops them
    again. Takes less than a minute. Exit status 0 if every booking ended as expected and every check holds.
    """
    out, began = console(), time.monotonic()

    def progress(text: str) -> None:
        if not quiet:
            out.print(Text(f"{time.monotonic() - began:5.1f} s  {text}", style="dim"))

    with tempfile.TemporaryDirectory(prefix="hotel-demo-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with set_up(folder, progress) as demo_stack:
                good = asyncio.run(_run(demo_stack, out, progress, quiet=quiet))
        except PartError as error:
            out.print(Text(str(error), style="red"))
            raise typer.Exit(1) from None
    out.print(
        Text(
            f"{'Every promise holds' if good else 'A promise is BROKEN'}, after {time.monotonic() - began:.0f} s."
        )
    )
    raise typer.Exit(0 if good else 1)


async def _run(demo_stack: DemoStack, out: Console, progress: Progress, *, quiet: bool) -> bool:
    async with log_in_participants(demo_stack, progress) as participants:
        runs = await drive_all(participants)
        found = await check_invariants(demo_stack, participants)
        reports = [
            report
            for scenario_run in runs
            if (report := await _read_report(participants, scenario_run)) is not None
        ]
    if not quiet:
        for report in reports:
            print_report(out, report)
    ended_well = sum(report.ended_well for report in reports)
    print_checks(out, found, (ended_well, len(runs)))
    return ended_well == len(runs) and all(result.holds for result in found)


async def _read_report(participants: DemoParticipants, scenario_run: ScenarioRun) -> ScenarioReport | None:
    guest, client = scenario_run.guest, participants.client
    if guest is None:
        return None
    hotel = await client.http.get(f"{client.at.api}/api/public/hotel/{guest.hotel}/")
    return ScenarioReport(
        scenario=scenario_run.scenario,
        problem=scenario_run.problem,
        booking=await guest.read_booking(),
        timezone=hotel.raise_for_status().json()["timezone"],
        ledger=await client.ledger(guest.booking_id),
        mails=await client.mails(guest.booking_id),
        messages=await client.messages(guest.booking_id),
    )


if __name__ == "__main__":
    app()
