"""Every command that lacks a service prints one line and ends with a status that scripts can read."""

from __future__ import annotations

import pytest

from tests.management.harness import ManagementHarness

NOWHERE = "127.0.0.1:9"
COMMANDS = (
    (),
    ("migrate",),
    ("check",),
    ("hotel",),
    ("hotel", "add"),
    ("hotel", "set"),
    ("room-type",),
    ("room-type", "add"),
    ("staff",),
    ("staff", "add"),
    ("demo-data",),
    ("booking",),
    ("booking", "show"),
    ("booking", "retry"),
    ("booking", "resolve"),
    ("reconcile",),
    ("guest",),
    ("guest", "erase"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_help_needs_no_configuration(
    command: tuple[str, ...], shared_harness: ManagementHarness
) -> None:
    nothing = dict.fromkeys(shared_harness.environment)
    result = await shared_harness.run(*command, "--help", **nothing)
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


@pytest.mark.parametrize(
    "command", [("booking", "retry"), ("booking", "resolve"), ("reconcile",), ("guest", "erase")]
)
async def test_help_tells_exit_statuses(command: tuple[str, ...], shared_harness: ManagementHarness) -> None:
    assert "Exit status: 0" in await shared_harness.done(*command, "--help")


def test_missing_configuration_is_one_line(shared_harness: ManagementHarness) -> None:
    environment = {**shared_harness.environment, "SMTP_PORT": "none"}
    del environment["DATABASE_URL"]
    ended = shared_harness.process("reconcile", **environment)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("configuration: DATABASE_URL is missing; SMTP_PORT ")
    assert ended.stderr.count("\n") == 1


def test_the_program_itself_passes_its_exit_status_on(shared_harness: ManagementHarness) -> None:
    ended = shared_harness.process("booking", "show", "BK-00000-00000-00000", **shared_harness.environment)
    assert (ended.returncode, ended.stderr) == (1, "There is no booking BK-00000-00000-00000.\n")
    assert shared_harness.process("reconcile", "--nonsense", **shared_harness.environment).returncode == 2


@pytest.mark.parametrize(
    ("command", "variable", "value", "line"),
    [
        (("hotel", "set", "a", "--name", "A"), "DATABASE_URL", f"postgresql://a@{NOWHERE}/a", "PostgreSQL "),
        (
            ("booking", "show", "BK-00000-00000-00000"),
            "DATABASE_URL",
            f"postgresql://a@{NOWHERE}/a",
            "PostgreSQL ",
        ),
        (
            ("guest", "erase", "BK-00000-00000-00000"),
            "DATABASE_URL",
            f"postgresql://a@{NOWHERE}/a",
            "PostgreSQL ",
        ),
        (("reconcile", "--json"), "DATABASE_URL", f"postgresql://a@{NOWHERE}/a", "PostgreSQL "),
        (("reconcile", "--json"), "TEMPORAL_ADDRESS", NOWHERE, f"Temporal at {NOWHERE} "),
        (("reconcile",), "STRIPE_API_BASE", f"http://{NOWHERE}", f"Stripe at http://{NOWHERE} "),
    ],
)
async def test_a_service_that_is_away_is_one_line(
    shared_harness: ManagementHarness, command: tuple[str, ...], variable: str, value: str, line: str
) -> None:
    result = await shared_harness.run(*command, **{variable: value})
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(line)
    assert "does not answer as it should" in result.stderr
    assert result.stderr.count("\n") == 1


async def test_a_wrong_key_is_one_line_too(shared_harness: ManagementHarness) -> None:
    result = await shared_harness.run("reconcile", STRIPE_SECRET_KEY="sk_test_of_somebody_else")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "HTTP 401" in result.stderr
    assert "somebody_else" not in result.stderr
