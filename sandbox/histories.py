"""Temporal's workflows and their histories, read through the `temporal` command line."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_AT_ONCE: Final = 4


class TemporalCli:
    """Reads workflows through the `temporal` command line.

    Args:
        address: `host:port` of the frontend.
        namespace: the workflows' namespace.
    """

    def __init__(self, address: str, namespace: str = "default") -> None:
        beside_python = Path(sys.executable).parent / "temporal"
        program = str(beside_python) if beside_python.exists() else shutil.which("temporal")
        if program is None:
            raise FileNotFoundError("the `temporal` command is not installed")
        self._command = [program, "workflow"]
        self._where = ["--address", address, "--namespace", namespace, "--output", "json"]
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def statuses(self, query: str = "") -> dict[str, str]:
        """The status of every workflow's latest run, such as `RUNNING`, by workflow id."""
        found = json.loads(await self._run("list", *(["--query", query] if query else [])) or "[]")
        latest: dict[str, tuple[str, str]] = {}
        for item in found:
            workflow_id = item["execution"]["workflowId"]
            seen = (item["startTime"], item["status"].removeprefix("WORKFLOW_EXECUTION_STATUS_"))
            latest[workflow_id] = max(latest.get(workflow_id, seen), seen)
        return {workflow_id: status for workflow_id, (_, status) in latest.items()}

    async def history(self, workflow_id: str) -> str:
        """A workflow's whole history as text, with payloads decoded."""
        return readable(await self._run("show", "--workflow-id", workflow_id))

    async def histories(self, workflow_ids: Iterable[str]) -> dict[str, str]:
        """Several histories, by workflow id."""
        ids = list(workflow_ids)
        return dict(zip(ids, await asyncio.gather(*map(self.history, ids)), strict=True))

    async def _run(self, *arguments: str) -> str:
        async with self._turn:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *arguments,
                *self._where,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"temporal workflow {arguments[0]}: {errors.decode().strip()}")
        return output.decode()


def readable(history: str) -> str:
    """Convert a history in JSON to text, with payloads decoded."""
    texts: list[str] = []
    _collect(json.loads(history), texts)
    return "\n".join(texts)


def _collect(value: Any, texts: list[str]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            texts.append(key)
            _collect(item, texts)
    elif isinstance(value, list):
        for item in value:
            _collect(item, texts)
    elif isinstance(value, str):
        texts.append(value)
        try:
            # Payloads are base64, so a leak in them is visible only after decoding.
            texts.append(base64.b64decode(value, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return
