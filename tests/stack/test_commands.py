"""Each `manage.py` command in the documentation exists, with its options."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import typer.main

from manage import build_app
from tests.stack.leftovers import ROOT

PAGES: Final = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/deployment.md",
    "docs/runbook.md",
    "docs/what-can-go-wrong.md",
)
_TYPED: Final = re.compile(r"python manage\.py ((?:[^`\n]|\\\n)+)")


def unknown(typed: str) -> list[str]:
    """Words of a command line that `manage.py` does not understand: a command, or an option of one."""
    command: Any = typer.main.get_command(build_app())
    options = {"--help"}
    wrong = []
    for word in typed.replace("\\|", "|").replace("[", " ").replace("]", " ").split():
        if word.startswith("--"):
            wrong += [] if word.partition("=")[0] in options else [word]
        elif commands := getattr(command, "commands", None):
            found = [commands.get(name) for name in word.split("|")]
            if None in found:
                return [*wrong, word]
            # Of several alternatives the last one stands for all.
            command = next(one for one in found[::-1] if one is not None)
            options |= {name for parameter in command.params for name in parameter.opts}
    return wrong


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_are_named_exist(page: str) -> None:
    """Each `python manage.py …` of the page."""
    text = (ROOT / page).read_text()
    typed = [found.replace("\\\n", " ") for found in _TYPED.findall(text)]
    assert {line: wrong for line in typed if (wrong := unknown(line))} == {}


def test_runbook_names_commands_at_all() -> None:
    """Otherwise the test above could not fail."""
    assert len(_TYPED.findall((ROOT / "docs/runbook.md").read_text())) > 5


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("booking show|retry|resolve ID", []),
        ("booking explode BK-1", ["explode"]),
        ("reconcile --json --since-days 3", []),
        ("reconcile --sinse-days 3", ["--sinse-days"]),
    ],
)
def test_what_does_not_exist_is_found_out(typed: str, wrong: list[str]) -> None:
    """A command, and an option."""
    assert unknown(typed) == wrong
