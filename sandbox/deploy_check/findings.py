"""Checks of the containers themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sandbox.deploy_check.engine import ComposeProject, docker
from sandbox.deploy_check.site import AWKWARD, DeploySite

PRODUCT: Final = ("migrate", "worker", "api")
_USER: Final = "10001:10001"
_DIGEST_OF_VALUE: Final = (
    "import hashlib, os; print(hashlib.sha256(os.environ['EMAIL_FROM'].encode()).hexdigest())"
)


def problems_while_running(project: ComposeProject, site: DeploySite) -> Iterator[str]:
    """Users, variables, published ports, and the order in which the product started."""
    for service in PRODUCT:
        found = project.inspect(service)
        if found["Config"]["User"] != _USER:
            yield f"{service} runs as {found['Config']['User']!r}"
        if site.hotel_env["TEMPORAL_POSTGRES_PASSWORD"] in json.dumps(found["Config"]["Env"]):
            yield f"{service} knows the password of Temporal's database"
    said = project.run("exec", "-T", "worker", "python", "-c", _DIGEST_OF_VALUE)
    if hashlib.sha256(AWKWARD.encode()).hexdigest() not in said:
        yield "a value with $, # and blanks did not arrive as it was written"
    for service, published in _published(project).items():
        if any(address != "127.0.0.1" for address in published):
            yield f"{service} is published on {published}"
    if not _ended(project, "migrate") <= _started(project, "worker") <= _started(project, "api"):
        yield "migrations, workers and API did not start in this order"


def problems_once_stopped(project: ComposeProject) -> Iterator[str]:
    """Exit statuses: each stopped container must have ended well."""
    for service in PRODUCT:
        state = project.inspect(service)["State"]
        if state["ExitCode"] != 0 or state["OOMKilled"]:
            yield f"{service} ended with status {state['ExitCode']}"


def images_in_use(project: ComposeProject) -> Iterator[str]:
    """Each image except our own, and whether it replaces the real one."""
    names = {line.split("image: ")[1] for line in project.run("config").splitlines() if "image: " in line}
    for name in sorted(names):
        if name.startswith("hotel-holds:"):
            [own] = json.loads(docker("image", "inspect", name))
            yield f"{name} ({own['Size'] / 1e6:.0f} MB)"
        else:
            [other] = json.loads(docker("image", "inspect", name))
            labels = other["Config"].get("Labels") or {}
            yield f"{name} ({labels.get('stand-in', 'real')})"


def _published(project: ComposeProject) -> dict[str, list[str]]:
    services = ("api", "temporal", "temporal-ui", "postgres", "temporal-postgres")
    return {
        service: [
            binding["HostIp"]
            for bindings in project.inspect(service)["NetworkSettings"]["Ports"].values()
            for binding in bindings or []
        ]
        for service in services
    }


def _started(project: ComposeProject, service: str) -> datetime:
    return _moment(project.inspect(service)["State"]["StartedAt"])


def _ended(project: ComposeProject, service: str) -> datetime:
    return _moment(project.inspect(service)["State"]["FinishedAt"])


def _moment(written: str) -> datetime:
    return datetime.fromisoformat(written[:19] + "+00:00")
