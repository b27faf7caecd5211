"""The steps of the check, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import httpx

from sandbox.demo.report import console, print_checks
from sandbox.demo.scenarios import KILLARNEY, KYOTO, PAYMENT_WINDOW_S, DemoParticipants, Progress, drive_all
from sandbox.deploy_check.engine import ComposeProject
from sandbox.deploy_check.findings import images_in_use, problems_once_stopped, problems_while_running
from sandbox.deploy_check.load import Load
from sandbox.deploy_check.proxy import problems_behind_a_proxy
from sandbox.deploy_check.site import DeploySite
from sandbox.drivers import Addresses, StackClient, StaffDriver
from sandbox.evidence import (
    Evidence,
    booking_from_api,
    delivered_events,
    read_database,
    read_sandbox,
)
from sandbox.histories import TemporalCli
from sandbox.invariants import InvariantResult, check
from sandbox.stack.parts import stand_ins
from sandbox.stack.process import Process, start_and_wait

_REQUEST_TIMEOUT_S: Final = 20.0
_HEALS_WITHIN_S: Final = 240.0
_HEALTHY_WITHIN_S: Final = 300.0
_LOOK_EVERY_S: Final = 2.0
_BETWEEN_S: Final = 8.0


class DeployCheck:
    """One run over a prepared site.

    Args:
        password: the demo staff's password.
        progress: called with one line about each step.
    """

    def __init__(self, project: ComposeProject, site: DeploySite, password: str, progress: Progress) -> None:
        self._project = project
        self._site = site
        self._password = password
        self._progress = progress
        self._logs: dict[str, str] = {}

    async def run(self) -> bool:
        """Run all steps, and return whether every check holds. The stack must be up."""
        for image in await asyncio.to_thread(lambda: [*images_in_use(self._project)]):
            self._progress(f"image {image}")
        problems = await asyncio.to_thread(lambda: [*problems_while_running(self._project, self._site)])
        manage = self._project.manage
        await asyncio.to_thread(manage, "demo-data", DEMO_PASSWORD=self._password)
        await asyncio.to_thread(manage, "hotel", "set", KYOTO, "--payment-window-s", str(PAYMENT_WINDOW_S))
        async with self._participants() as participants:
            problems += await problems_behind_a_proxy(participants.client.http, participants.client.at.api)
            runs = await drive_all(participants)
            problems += [f"{run.scenario.title}: {run.problem}" for run in runs if run.problem]
            load = Load(participants)
            await load.run_while(self._replace_and_restart())
            problems += load.result.problems
            self._progress(
                f"under load: {load.result.confirmed} bookings confirmed, the slowest in "
                f"{load.result.longest_s:.1f} s; {load.result.repeats} requests had to be repeated"
            )
            results, bookings = await self._promises(participants)
        self._progress("stopping")
        await asyncio.to_thread(self._project.run, "stop")
        problems += await asyncio.to_thread(lambda: [*problems_once_stopped(self._project)])
        good = sum(run.problem is None for run in runs)
        print_checks(console(), results, (good, len(runs)))
        self._progress(f"{bookings} bookings in all; {len(problems)} problems")
        for problem in problems:
            self._progress(f"PROBLEM {problem}")
        return not problems and all(result.holds for result in results)

    # Replacing and restarting

    async def _replace_and_restart(self) -> None:
        await asyncio.sleep(_BETWEEN_S)
        for service in ("worker", "api"):
            await self._keep_log(service)
            begun = time.monotonic()
            replace = ("up", "--detach", "--no-deps", "--no-build", "--force-recreate", service)
            await asyncio.to_thread(self._project.run, *replace)
            await self._healthy(service)
            self._progress(f"{service} replaced in {time.monotonic() - begun:.1f} s")
            await asyncio.sleep(_BETWEEN_S)
        for service in ("postgres", "temporal"):
            begun = time.monotonic()
            await asyncio.to_thread(self._project.run, "restart", service)
            await self._healthy(service)
            self._progress(f"{service} restarted in {time.monotonic() - begun:.1f} s")
            await asyncio.sleep(_BETWEEN_S)

    async def _healthy(self, service: str) -> None:
        until = time.monotonic() + _HEALTHY_WITHIN_S
        while True:
            state = (await asyncio.to_thread(self._project.inspect, service))["State"]
            if state["Health"]["Status"] == "healthy":
                return
            if time.monotonic() > until:
                raise TimeoutError(f"{service} is {state['Health']['Status']} after {_HEALTHY_WITHIN_S:g} s")
            await asyncio.sleep(_LOOK_EVERY_S / 4)

    async def _keep_log(self, service: str) -> None:
        log = await asyncio.to_thread(self._project.log, service)
        self._logs[service] = self._logs.get(service, "") + log

    # People and promises

    @asynccontextmanager
    async def _participants(self) -> AsyncIterator[DemoParticipants]:
        url = self._site.layout.url
        at = Addresses(url("api"), url("stripe"), url("pusher"), url("inbox"))
        async with httpx.AsyncClient(timeout=_REQUEST_TIMEOUT_S, trust_env=False) as http:
            client = StackClient(http, at)
            staff = {
                hotel: await StaffDriver.log_in(client, hotel, f"approver@{hotel}.test", self._password)
                for hotel in (KILLARNEY, KYOTO)
            }
            yield DemoParticipants(client, staff, self._progress)

    async def _promises(self, participants: DemoParticipants) -> tuple[Sequence[InvariantResult], int]:
        """Check every promise until all hold or the time is over."""
        begun = time.monotonic()
        while True:
            evidence = await self._collect(participants)
            found = check(evidence)
            waited = time.monotonic() - begun
            if all(result.holds for result in found) or waited > _HEALS_WITHIN_S:
                self._progress(f"came to rest in {waited:.0f} s")
                return found, len(evidence.bookings)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _collect(self, participants: DemoParticipants) -> Evidence:
        client, temporal = participants.client, TemporalCli(self._site.temporal_address, "hotel-holds")
        delivered = await delivered_events(client.http, client.at.stripe)
        rows, inbox, nights = await read_database(await asyncio.to_thread(self._database_url))
        workflows = await temporal.statuses()
        own = {name: status for name, status in workflows.items() if name.startswith("booking-")}
        return Evidence(
            bookings=[
                booking_from_api(await participants.staff[row.hotel].read_booking(row.booking_id), row)
                for row in rows
            ],
            ledger=await read_sandbox(client.http, client.at.stripe, "ledger"),
            messages=await read_sandbox(client.http, client.at.pusher, "messages"),
            mails=await read_sandbox(client.http, client.at.inbox, "messages"),
            answers=tuple(participants.answers),
            workflows=workflows,
            histories=await temporal.histories(own),
            inbox=inbox,
            nights=nights,
            delivered=delivered,
            logs=await asyncio.to_thread(self._all_logs),
            secrets=[*(staff.token for staff in participants.staff.values()), *self._site.secrets],
        )

    def _database_url(self) -> str:
        # It is not published, but this machine is in the containers' network too.
        [network] = self._project.inspect("postgres")["NetworkSettings"]["Networks"].values()
        environment = dict(item.split("=", 1) for item in self._project.inspect("postgres")["Config"]["Env"])
        return f"postgresql://hotel:{environment['POSTGRES_PASSWORD']}@{network['IPAddress']}:5432/hotel"

    def _all_logs(self) -> dict[str, str]:
        services = ("migrate", "worker", "api")
        return {name: self._logs.get(name, "") + self._project.log(name) for name in services}


def start_stand_ins(site: DeploySite) -> list[Process]:
    """Stripe, Pusher and the mail server, as processes of this machine."""
    processes = [Process(part, site.folder / f"{part.name}.log") for part in stand_ins(site.layout)]
    start_and_wait(processes, lambda _process: None)
    return processes
