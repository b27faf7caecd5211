"""A class name means one thing: the product, its stand-ins and its benchmarks use each name once."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parent.parent
_APART: Final = {"tests", "node_modules"}


def test_every_class_name_is_used_once() -> None:
    """Nested classes count, too."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(_ROOT)}:{node.lineno}")
    assert len(places) > 100, "the modules were not found"
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def _modules() -> list[Path]:
    packages = (path.parent for path in _ROOT.glob("*/__init__.py") if path.parent.name not in _APART)
    return [*_ROOT.glob("*.py"), *(module for package in packages for module in package.rglob("*.py"))]
