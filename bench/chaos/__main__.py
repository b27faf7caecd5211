"""`python -m bench.chaos`: a fault run. Exit status 0 if every promise held over every booking."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from bench.chaos.fault_injector import FaultInjector
from bench.chaos.invariant_check import ChaosResult, check_once_healed
from bench.chaos.scenarios import (
    APPROVED_HOTEL,
    HASTY_HOTEL,
    HASTY_WINDOW_S,
    ROOM_TYPES,
    ROOMS,
    ChaosDriver,
)
from sandbox.drivers import Addresses, StackClient, StaffDriver
from sandbox.stack import Stack

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_PROGRESS_EVERY_S: Final = 10
_REQUEST_TIMEOUT_S: Final = 20
# Short, so that polling recovers a lost webhook within the run.
_ENVIRONMENT: Final = {"PAYMENT_POLL_S": "5", "LOG_LEVEL": "INFO", "RATE_LIMIT_LOGIN_PER_MIN": "1000"}


@app.command()
def chaos(
    seconds: Annotated[
        float, typer.Option(envvar="CHAOS_SECONDS", min=5, help="How long things are broken.")
    ] = 120,
    seed: Annotated[int | None, typer.Option(help="Repeats the choices of a run; made up otherwise.")] = None,
    at_once: Annotated[int, typer.Option(min=1, max=200, help="Bookings in flight.")] = 12,
    settle: Annotated[
        float, typer.Option(min=1, help="Seconds everything may take to heal afterwards.")
    ] = 300,
    report: Annotated[Path, typer.Option(help="Where the JSON report goes.")] = Path("bench/out/chaos.json"),
    keep: Annotated[Path | None, typer.Option(help="Keep logs and data in this folder.")] = None,
) -> None:
    """Run bookings of every kind while parts are killed, paused and given false answers.

    Starts a separate stack with two workers and two API processes, on free ports. Afterwards all parts are restarted;
    once no work is left, the promises M1 to M10 are checked over every booking.
    """
    chosen = seed if seed is not None else secrets.randbelow(10**6)
    typer.echo(f"seed {chosen}: repeat with `python -m bench.chaos --seed {chosen} --seconds {seconds:g}`")
    with tempfile.TemporaryDirectory(prefix="hotel-chaos-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with Stack(folder, _ENVIRONMENT, workers=2, apis=2) as stack:
            found = asyncio.run(_run(stack, chosen, seconds, at_once, settle))
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(found, indent=2) + "\n")
    typer.echo(f"report: {report}")
    raise typer.Exit(0 if found["violations"] == 0 else 1)


async def _run(stack: Stack, seed: int, seconds: float, at_once: int, settle: float) -> dict[str, Any]:
    chance = random.Random(seed)
    password = secrets.token_urlsafe(12)
    await asyncio.to_thread(stack.manage, "demo-data", DEMO_PASSWORD=password)
    await asyncio.to_thread(
        stack.manage, "hotel", "set", HASTY_HOTEL, "--payment-window-s", str(HASTY_WINDOW_S)
    )
    for hotel in (APPROVED_HOTEL, HASTY_HOTEL):
        for code in ROOM_TYPES:
            which = ("--hotel", hotel, "--code", code)
            await asyncio.to_thread(stack.manage, "room-type", "set", *which, "--rooms", str(ROOMS))
    limits = httpx.Limits(max_connections=4 * at_once)
    async with httpx.AsyncClient(timeout=_REQUEST_TIMEOUT_S, trust_env=False, limits=limits) as http:
        driver = await _chaos_driver(stack, http, chance, password)
        fault_injector = FaultInjector(stack, http, random.Random(seed + 1), typer.echo)
        begun = time.monotonic()
        over = _after(begun + seconds)
        progress = asyncio.create_task(_progress(driver, fault_injector, begun))
        try:
            await asyncio.gather(driver.run_scenarios(at_once=at_once, until=over), fault_injector.work(over))
        finally:
            progress.cancel()
        typer.echo(
            f"{time.monotonic() - begun:6.1f} s  everything is back; waiting until it has come to rest"
        )
        outcome = await check_once_healed(stack, http, driver.answers, patience_s=settle, tell=typer.echo)
    return _report(seed, seconds, driver, fault_injector, outcome)


def _after(moment: float) -> Callable[[], bool]:
    return lambda: time.monotonic() >= moment


async def _chaos_driver(
    stack: Stack, http: httpx.AsyncClient, chance: random.Random, password: str
) -> ChaosDriver:
    clients = [
        StackClient(
            http, Addresses(stack.url[api], stack.url["stripe"], stack.url["pusher"], stack.url["inbox"])
        )
        for api in ("api", "api2")
    ]
    staff = {
        (hotel, role): await StaffDriver.log_in(clients[0], hotel, f"{role}@{hotel}.test", password)
        for hotel in (APPROVED_HOTEL, HASTY_HOTEL)
        for role in ("approver", "manager")
    }
    return ChaosDriver(clients, staff, chance)


async def _progress(driver: ChaosDriver, fault_injector: FaultInjector, begun: float) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_EVERY_S)
        typer.echo(
            f"{time.monotonic() - begun:6.1f} s  {driver.begun.total()} bookings begun, "
            f"{len(fault_injector.faults)} faults, {len(driver.answers)} answers"
        )


def _report(
    seed: int, seconds: float, driver: ChaosDriver, fault_injector: FaultInjector, outcome: ChaosResult
) -> dict[str, Any]:
    violations = [f"{v.code}: {text}" for v in outcome.results for text in v.violations]
    bookings = outcome.statuses.total()
    for result in outcome.results:
        typer.echo(
            f"{result.code}  {'holds ' if result.holds else 'BROKEN'}  {result.checked}  {result.invariant}"
        )
    for violation in violations:
        typer.echo(violation)
    typer.echo(
        f"seed {seed}: {bookings} bookings, {len(fault_injector.faults)} faults, {len(violations)} violations; "
        f"came to rest in {outcome.healed_after_s:g} s; {outcome.waiting} ask for a person"
    )
    return {
        "seed": seed,
        "seconds": seconds,
        "bookings": bookings,
        "statuses": dict(outcome.statuses),
        "scenarios": dict(driver.begun),
        "given_up": dict(driver.given_up),
        "answers": len(driver.answers),
        "faults": fault_injector.report(),
        "healed_after_s": outcome.healed_after_s,
        "needs_attention": outcome.waiting,
        "checks": {v.code: {"checked": v.checked, "violations": list(v.violations)} for v in outcome.results},
        "violations": len(violations),
    }


if __name__ == "__main__":
    app()
