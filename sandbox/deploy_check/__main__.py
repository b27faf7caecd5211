"""`python -m sandbox.deploy_check`: exit status 0 if every check holds, 1 if not, 3 without a container engine."""

from __future__ import annotations

import asyncio
import secrets
import signal
import tempfile
import time
from pathlib import Path
from typing import Final

import typer

from sandbox.demo.scenarios import Progress
from sandbox.deploy_check.check import DeployCheck, start_stand_ins
from sandbox.deploy_check.engine import ComposeProject, EngineError, NoEngineError, find_compose
from sandbox.deploy_check.relay import PortRelay
from sandbox.deploy_check.site import DeploySite, lay_out
from sandbox.stack.ports import Ports

NO_ENGINE: Final = 3

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def deploy_check() -> None:
    """Run the Compose file beside stand-ins for Stripe, Pusher and SMTP, and take it down again.

    Builds the image, runs bookings with every outcome over the published port, replaces worker and API and restarts
    PostgreSQL and Temporal under load, then checks the promises. Linux only.
    """
    try:
        compose = find_compose()
    except NoEngineError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(NO_ENGINE) from None
    # SIGTERM, like Ctrl-C, takes everything down first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun = time.monotonic()

    def progress(text: str) -> None:
        typer.echo(f"{time.monotonic() - begun:6.1f} s  {text}")

    ports = Ports()
    with tempfile.TemporaryDirectory(prefix="hotel-deploy-check-") as folder:
        site = lay_out(Path(folder), ports)
        good = asyncio.run(_run(ComposeProject(compose, site.repository), site, progress))
    ports.release()
    progress("all as promised" if good else "NOT as promised")
    raise typer.Exit(0 if good else 1)


async def _run(project: ComposeProject, site: DeploySite, progress: Progress) -> bool:
    relay = PortRelay(site.gateway)
    processes = []
    try:
        # Remove what a killed check has left.
        await asyncio.to_thread(project.run, "down", "--volumes")
        progress("building the image, from a copy that only its owner can read")
        await asyncio.to_thread(project.run, "build")
        # A service without dependencies: it creates the network, and with it this machine's address in it.
        await asyncio.to_thread(project.run, "up", "--no-start", "postgres")
        for name in ("stripe", "pusher", "smtp"):
            await relay.open(site.layout.ports[name])
        processes = await asyncio.to_thread(start_stand_ins, site)
        progress("starting the containers")
        await asyncio.to_thread(project.run, "up", "--detach")
        progress("everything is up")
        return await DeployCheck(project, site, secrets.token_urlsafe(12), progress).run()
    except (EngineError, TimeoutError) as error:
        progress(str(error))
        return False
    finally:
        progress("taking everything down")
        # Our own processes first: they end even where the engine has gone.
        for process in processes:
            process.stop()
        relay.close()
        await asyncio.to_thread(project.run, "down", "--volumes", "--timeout", "60")


if __name__ == "__main__":
    app()
