"""Modules that workflows use keep no state: without a sandbox, all bookings of a worker share them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

_ROOT: Final = Path(__file__).parents[2]
_MUTABLE: Final = (MutableMapping, MutableSequence, MutableSet)
_MODULES: Final = sorted(
    str(path.relative_to(_ROOT).with_suffix("")).replace("/", ".")
    for package in ("workflows", "domain")
    for path in (_ROOT / package).rglob("*.py")
    if path.stem != "__init__"
)


@pytest.mark.parametrize("name", _MODULES)
def test_a_module_holds_nothing_that_can_change(name: str) -> None:
    """No list, dictionary, set or cache as a constant of a module or class, and no `global`."""
    module = import_module(name)
    assert sorted(_changeable(vars(module), name)) == []
    tree = ast.parse(Path(str(module.__file__)).read_text())
    assert not any(isinstance(node, ast.Global) for node in ast.walk(tree))


def _changeable(namespace: Any, module: str) -> Iterator[str]:
    for name, value in namespace.items():
        if name.startswith("__"):
            continue
        if isinstance(value, _MUTABLE) or hasattr(value, "cache_clear"):
            yield name
        elif isinstance(value, type) and value.__module__ == module:
            # An Enum's own tables begin with an underscore, and never change.
            hidden = "_" if issubclass(value, Enum) else "__"
            inner = {key: one for key, one in vars(value).items() if not key.startswith(hidden)}
            yield from (f"{name}.{key}" for key in _changeable(inner, module))
