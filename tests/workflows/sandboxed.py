"""Temporal's sandbox, in which tests run the workflows: it refuses code that would not replay."""

from __future__ import annotations

from pathlib import Path

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from worker import WORKFLOWS

_ROOT = Path(__file__).parents[2]


def sandboxed_runner() -> SandboxedWorkflowRunner:
    """Temporal's sandbox around the modules that define workflows; the modules they import are passed through.

    Otherwise the sandbox would import all of them again for each booking, and keep them while the booking is cached.
    The linter refuses calls in them that would not replay (`banned-api` in pyproject.toml).
    """
    defining = {defined.__module__ for defined in WORKFLOWS}
    beside = {
        f"{package}.{path.stem}"
        for package in ("workflows", "reconciliation")
        for path in (_ROOT / package).glob("*.py")
    }
    restrictions = SandboxRestrictions.default.with_passthrough_modules(
        "domain",
        "models",
        "storage",
        "dispatch",
        "gateway",
        "wording",
        "emails",
        "activities",
        *(beside - defining),
    )
    return SandboxedWorkflowRunner(restrictions=restrictions)
