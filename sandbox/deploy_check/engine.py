"""A container engine and Compose, through their command lines."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

PROJECT: Final = "hotel-holds-deploy-check"
_PATIENCE_S: Final = 1800
_LAST_LINES: Final = 20

Json = dict[str, Any]


class NoEngineError(Exception):
    """There is no container engine or no Compose, or the engine does not run."""


class EngineError(Exception):
    """The engine or Compose refused a command; the text ends with its last lines."""


def find_compose() -> tuple[str, ...]:
    """Find Compose's command.

    Raises:
        NoEngineError: there is none.
    """
    if shutil.which("docker") is None:
        raise NoEngineError("no container engine: the `docker` command is not installed")
    if not _succeeds("docker", "info"):
        raise NoEngineError("no container engine: `docker info` fails, so the engine does not run")
    for words in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(words[0]) and _succeeds(*words, "version"):
            return words
    raise NoEngineError("no Compose: neither `docker compose` nor `docker-compose` is installed")


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def docker(*arguments: str) -> str:
    """Run `docker` and return its output, including errors.

    Raises:
        EngineError: it failed.
    """
    return _run(("docker", *arguments), Path.cwd())


class ComposeProject:
    """The Compose file of one folder, under a separate project name.

    Args:
        compose: Compose's command.
        folder: the folder with the Compose file and `hotel.env`.
    """

    def __init__(self, compose: Sequence[str], folder: Path) -> None:
        options = ("--project-name", PROJECT, "--env-file", "hotel.env", "-f", "docker-compose.temporal.yml")
        self._command = (*compose, *options)
        self._folder = folder

    def run(self, *arguments: str) -> str:
        """Run Compose and return its output, including errors.

        Raises:
            EngineError: it failed.
        """
        return _run((*self._command, *arguments), self._folder)

    def manage(self, *arguments: str, **environment: str) -> None:
        """Run `manage.py` in the API's container."""
        given = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        self.run("exec", "-T", *given, "api", "python", "manage.py", *arguments)

    def inspect(self, service: str) -> Json:
        """Inspect the service's container, running or not."""
        label = f"label=com.docker.compose.service={service}"
        project = f"label=com.docker.compose.project={PROJECT}"
        [container] = docker("ps", "--all", "--quiet", "--filter", project, "--filter", label).split()
        [found] = json.loads(docker("inspect", container))
        inspected: Json = found
        return inspected

    def log(self, service: str) -> str:
        """The log of the service's container."""
        return docker("logs", self.inspect(service)["Id"])


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-_LAST_LINES:])
        raise EngineError(f"{' '.join(command)} ended with status {done.returncode}:\n{end}")
    return done.stdout
