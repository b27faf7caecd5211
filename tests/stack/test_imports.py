"""Allowed imports, over every module of the repository: single files too, which import-linter skips."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

_LAYERS: Final = (
    "domain",
    "models",
    "storage",
    "dispatch",
    "gateway",
    "wording",
    "emails",
    "activities",
    "workflows",
    "reconciliation",
    "api",
)
_BELOW: Final = {name: frozenset(_LAYERS[:height]) for height, name in enumerate(_LAYERS)}
MAY_IMPORT: Final = {
    **_BELOW,
    "api": _BELOW["api"] | {"settings", "logs", "processes"},
    # Only the module that parses a database's address knows its options.
    "settings": frozenset({"storage"}),
    "logs": frozenset[str](),
    "processes": frozenset[str](),
    "worker": _BELOW["api"] | {"settings", "logs", "processes"},
    # `reconcile` is the worker's own reconciliation, run by hand.
    "management": frozenset(_LAYERS) | {"settings", "worker"},
    "manage": frozenset({"management", "settings"}),
    "migrations": frozenset({"models", "storage", "settings"}),
    "sandbox": frozenset[str](),
    "bench": frozenset({"sandbox", "domain"}),
}
EXCEPTIONS: Final = {
    "bench/plans.py imports storage",
    "bench/plans.py imports reconciliation",
    "bench/search.py imports storage",
}
"""The benchmark must run the product's own statements, not a copy of them."""

READ_SETTINGS: Final = {
    "worker.py",
    "manage.py",
    "management/tools.py",
    "api/app.py",
    "api/__main__.py",
    "migrations/env.py",
}


def _modules(top: str) -> list[Path]:
    single = ROOT / f"{top}.py"
    return [single] if single.exists() else sorted((ROOT / top).rglob("*.py"))


def _imported(path: Path) -> Iterator[str]:
    """The first names of all modules a file imports, at its top or within a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports by a relative path"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("top", MAY_IMPORT)
def test_imports_go_one_way(top: str) -> None:
    """A module imports its own package, what stands to its left, and nothing else of ours."""
    modules = _modules(top)
    assert modules, f"there is no {top}"
    refused = MAY_IMPORT.keys() - MAY_IMPORT[top] - {top} | {"tests"}
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules
        for name in _imported(path)
        if name in refused
    }
    assert found - EXCEPTIONS == set()


def test_settings_are_read_where_the_product_is_put_together() -> None:
    """Everything else is handed what it needs."""
    readers = {
        str(path.relative_to(ROOT))
        for top in MAY_IMPORT
        for path in _modules(top)
        if "settings" in _imported(path) and top != "settings"
    }
    assert readers <= READ_SETTINGS
