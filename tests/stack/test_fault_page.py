"""docs/what-can-go-wrong.md: every fault names a test that exists, and every link leads somewhere."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.stack.leftovers import ROOT

PAGE: Final = ROOT / "docs" / "what-can-go-wrong.md"
HEADINGS: Final = ["Fault", "Consequence", "Shown by"]
FEWEST_FAULTS: Final = 45
_TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:\[[^`]*\])?`")


@dataclass(frozen=True)
class DocumentedFault:
    """One row.

    Args:
        what: what goes wrong.
        then: what happens then.
        tests: file and function of each test that shows it; parameters are left out.
    """

    what: str
    then: str
    tests: tuple[tuple[str, str], ...]


def faults_of(page: str) -> list[DocumentedFault]:
    """Read every row of every table.

    Raises:
        ValueError: a row has another number of cells, or a table other headings.
    """
    faults = []
    lines = [line for line in page.splitlines() if line.startswith("|")]
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != len(HEADINGS):
            raise ValueError(f"{len(cells)} cells: {line}")
        if cells == HEADINGS or set("".join(cells)) == {"-"}:
            continue
        faults.append(DocumentedFault(cells[0], cells[1], tuple(_TEST.findall(cells[2]))))
    return faults


@cache
def defined_in(file: Path) -> frozenset[str]:
    """Names of the tests that a file defines; none where there is no such file."""
    if not file.is_file():
        return frozenset()
    defined = (node for node in ast.parse(file.read_text()).body)
    return frozenset(
        node.name
        for node in defined
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def missing(faults: list[DocumentedFault]) -> list[str]:
    """The named tests that do not exist."""
    named = {test for fault in faults for test in fault.tests}
    return sorted(f"{file}::{name}" for file, name in named if name not in defined_in(ROOT / file))


FAULTS: Final = faults_of(PAGE.read_text())


def test_there_are_faults_enough() -> None:
    """A page that is read as empty would pass every other test here."""
    assert len(FAULTS) >= FEWEST_FAULTS
    assert len({fault.what for fault in FAULTS}) == len(FAULTS), "a fault is told twice"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what[:60])
def test_each_fault_says_what_happens_and_names_a_test(fault: DocumentedFault) -> None:
    """No row is half a row."""
    assert fault.what
    assert fault.then
    assert fault.tests, "name a test as `tests/…/test_x.py::test_name`"


def test_what_is_named_exists() -> None:
    """This fails when a test named there is renamed or removed."""
    assert missing(FAULTS) == []


def test_files_named_in_passing_exist() -> None:
    """Outside the tables, and in its links, too."""
    page = PAGE.read_text()
    files = re.findall(r"`(tests/[\w/]+\.py)`", page)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page)]
    gone = [name for name in files if not (ROOT / name).is_file()]
    gone += [link for link in links if not (PAGE.parent / link).is_file()]
    assert gone == []


def test_a_test_that_is_not_there_is_found_out() -> None:
    """The check itself can fail: on a renamed test, on a file that is gone, and on a row that names none."""
    own = f"tests/stack/{Path(__file__).name}"
    row = "| It breaks. | It is mended. | {} |"
    [real] = faults_of(row.format(f"`{own}::test_what_is_named_exists[a-b]`"))
    assert missing([real]) == []
    renamed = faults_of(row.format(f"`{own}::test_that_never_was`"))
    gone = faults_of(row.format("`tests/stack/test_gone.py::test_that_never_was`"))
    assert missing([*renamed, *gone]) == [
        "tests/stack/test_fault_page.py::test_that_never_was",
        "tests/stack/test_gone.py::test_that_never_was",
    ]
    [bare] = faults_of(row.format("see the tests"))
    assert bare.tests == ()
    with pytest.raises(ValueError, match="2 cells"):
        faults_of("| It breaks. | It is mended. |")
