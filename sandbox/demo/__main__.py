"""`python -m sandbox.demo`: play the stories, tell them, check them; exit status 0 if all is as promised."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from sandbox.demo.stage import Stage, cast_of, set_up, verdicts
from sandbox.demo.stories import Cast, Performance, Progress, play_all
from sandbox.demo.telling import Told, console, tell, tell_checks
from sandbox.stack import PartError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    keep: Annotated[
        Path | None, typer.Option(help="Keep logs and data in this folder; by default they are deleted.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the checks alone.")] = False,
) -> None:
    """Drive seven bookings, each to another end, and check that the books are right.

    Needs no account and nothing else running: starts everything on this machine, on free ports, and stops it
    again. Takes less than a minute. Exit status 0 if every booking ended as it must and every check holds.
    """
    out, began = console(), time.monotonic()

    def progress(text: str) -> None:
        if not quiet:
            out.print(Text(f"{time.monotonic() - began:5.1f} s  {text}", style="dim"))

    with tempfile.TemporaryDirectory(prefix="hotel-demo-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with set_up(folder, progress) as stage:
                good = asyncio.run(_run(stage, out, progress, quiet=quiet))
        except PartError as error:
            out.print(Text(str(error), style="red"))
            raise typer.Exit(1) from None
    out.print(
        Text(f"{'All as promised' if good else 'NOT as promised'}, after {time.monotonic() - began:.0f} s.")
    )
    raise typer.Exit(0 if good else 1)


async def _run(stage: Stage, out: Console, progress: Progress, *, quiet: bool) -> bool:
    async with cast_of(stage, progress) as cast:
        played = await play_all(cast)
        found = await verdicts(stage, cast)
        told = [told for performance in played if (told := await _told(cast, performance)) is not None]
    if not quiet:
        for story in told:
            tell(out, story)
    ended_well = sum(story.ended_well for story in told)
    tell_checks(out, found, (ended_well, len(played)))
    return ended_well == len(played) and all(verdict.holds for verdict in found)


async def _told(cast: Cast, performance: Performance) -> Told | None:
    guest, world = performance.guest, cast.world
    if guest is None:
        return None
    hotel = await world.http.get(f"{world.at.api}/api/public/hotel/{guest.hotel}/")
    return Told(
        story=performance.story,
        problem=performance.problem,
        booking=await guest.look(),
        timezone=hotel.raise_for_status().json()["timezone"],
        ledger=await world.ledger(guest.booking_id),
        mails=await world.mails(guest.booking_id),
        messages=await world.messages(guest.booking_id),
    )


if __name__ == "__main__":
    app()
