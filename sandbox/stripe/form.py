"""Form encoding with brackets, as Stripe reads it: `line_items[0][price_data][currency]=eur`, `expand[]=x`."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from sandbox.stripe.errors import invalid

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_INDEX: Final = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST: Final = 20


def parsed(text: str) -> dict[str, Any]:
    """Parse a form body or a query into nested dicts of strings.

    An array becomes a dict whose names are its indices.

    Raises:
        ApiError: names contradict each other, or brackets do not match or nest too deep.
    """
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        match = _NAME.fullmatch(name)
        path = [match[1], *_INDEX.findall(match[2])] if match else []
        if not 1 <= len(path) <= _DEEPEST:
            raise invalid(f"Invalid parameter name: {name}", param=name)
        _put(tree, path, name, value)
    return tree


def _put(node: dict[str, Any], path: list[str], name: str, value: str) -> None:
    head, *rest = path
    # `[]` means "the next one".
    head = head or str(len(node))
    if not rest:
        node[head] = value
        return
    child = node.setdefault(head, {})
    if not isinstance(child, dict):
        raise invalid(f"Invalid parameters: {name} is both a value and an object", param=name)
    _put(child, rest, name, value)
