"""Checks parameters against the SDK's own `stripe.params` types, by introspection: names, types and enums.

The SDK leaves enums open (`Literal[...] | str`) for values of later versions. Stripe itself refuses unknown values,
and so does this module.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, NotRequired, Required, Union, get_args, get_origin

from stripe import RequestOptions
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import get_type_hints, is_typeddict

from sandbox.stripe.errors import ApiError, invalid, missing

_TRANSPORT_OPTIONS: Final = frozenset(RequestOptions.__annotations__)
# ASCII digits within 64 bits. Not int(), which accepts underscores, spaces and more.
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")
_METADATA_KEYS, _METADATA_KEY_LENGTH, _METADATA_VALUE_LENGTH = 50, 40, 500


def checked(params_type: type, raw: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters converted to their types, or refuse them as Stripe would.

    Args:
        params_type: a TypedDict from `stripe.params`.
        raw: the result of `form.parsed`.

    Raises:
        ApiError: an unknown, missing or malformed parameter.
    """
    return _object(params_type, raw, "")


def _object(params_type: type, raw: dict[str, Any], prefix: str) -> dict[str, Any]:
    hints = _hints(params_type)
    unknown = [name for name in raw if name not in hints]
    if unknown:
        raise _unknown(unknown, list(hints), prefix)
    for name in hints:
        if name not in raw and name in params_type.__required_keys__:  # type: ignore[attr-defined]
            raise missing(_full(prefix, name))
    return {name: _value(hints[name], value, _full(prefix, name)) for name, value in raw.items()}


@cache
def _hints(params_type: type) -> dict[str, Any]:
    module = vars(sys.modules[params_type.__module__])
    # RequestOptions is defined in another module; its names are left out below.
    foreign = {"StripeContext": object, "Mapping": Mapping}
    hints = get_type_hints(params_type, globalns=module, localns=foreign, include_extras=True)
    return {name: hint for name, hint in hints.items() if name not in _TRANSPORT_OPTIONS}


def _full(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name


def _unknown(names: list[str], known: list[str], prefix: str) -> ApiError:
    full = [_full(prefix, name) for name in names]
    plural = "s" if len(full) > 1 else ""
    guess = get_close_matches(names[0], known, n=1)
    hint = f" Did you mean {guess[0]}?" if guess and not plural else ""
    message = f"Received unknown parameter{plural}: {', '.join(full)}{'.' if hint else ''}{hint}"
    return invalid(message, code="parameter_unknown", param=full[0])


@cache
def _alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the types that an annotation allows."""
    origin = get_origin(hint)
    if origin in {NotRequired, Required}:
        return _alternatives(get_args(hint)[0])
    if origin in {Union, UnionType}:
        return tuple(kind for part in get_args(hint) for kind in _alternatives(part))
    return (hint,)


def _value(hint: Any, raw: Any, name: str) -> Any:
    kinds = _alternatives(hint)
    return _scalar(kinds, raw, name) if isinstance(raw, str) else _structure(kinds, raw, name)


def _scalar(kinds: tuple[Any, ...], raw: str, name: str) -> Any:
    allowed = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if raw == "":
        if "" in allowed:
            return ""
        raise invalid(
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a "
            f"parameter; however '{name}' cannot be unset. You should remove '{name}' from your request or "
            "supply a non-empty value.",
            code="parameter_invalid_empty",
            param=name,
        )
    choices = [value for value in allowed if value != ""]
    if choices and raw not in choices and not {int, bool} & set(kinds):
        listed = ", ".join(choices[:-1]) + f", or {choices[-1]}" if len(choices) > 1 else choices[0]
        raise invalid(f"Invalid {name}: must be one of {listed}", param=name)
    if choices or str in kinds:
        return raw
    for kind in kinds:
        if kind in _SCALARS:
            return _SCALARS[kind](raw, name)
    expected = "array" if any(get_origin(kind) is list for kind in kinds) else "object"
    raise invalid(f"Invalid {expected}", param=name)


def _integer(raw: str, name: str) -> int:
    if not _INTEGER.fullmatch(raw):
        raise invalid(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=name)
    return int(raw)


def _boolean(raw: str, name: str) -> bool:
    if raw not in {"true", "false"}:
        raise invalid(f"Invalid boolean: {raw}", param=name)
    return raw == "true"


def _decimal(raw: str, name: str) -> Decimal:
    if not _DECIMAL.fullmatch(raw):
        raise invalid(f"Invalid decimal: {raw}", param=name)
    return Decimal(raw)


_SCALARS: Final[dict[Any, Any]] = {int: _integer, bool: _boolean, Decimal: _decimal, float: _decimal}


def _structure(kinds: tuple[Any, ...], raw: dict[str, Any], name: str) -> Any:
    for kind in kinds:
        if is_typeddict(kind):
            return _object(kind, raw, name)
        if get_origin(kind) is list:
            return [_value(get_args(kind)[0], item, f"{name}[{i}]") for i, item in _items(raw, name)]
        if get_origin(kind) is UntypedStripeObject or get_origin(kind) is dict:
            return _metadata(raw, name)
    if int in kinds:
        raise invalid("Invalid integer: {}", code="parameter_invalid_integer", param=name)
    raise invalid("Invalid string: {}", param=name)


def _items(raw: dict[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    if not all(index.isdecimal() for index in raw):
        raise invalid("Invalid array", param=name)
    return iter(sorted(raw.items(), key=lambda item: int(item[0])))


def _metadata(raw: dict[str, Any], name: str) -> dict[str, str]:
    """Check a set of key-value pairs. https://docs.stripe.com/metadata"""
    if len(raw) > _METADATA_KEYS:
        raise invalid(f"You can have up to {_METADATA_KEYS} metadata keys.", param=name)
    for key, value in raw.items():
        if not isinstance(value, str):
            raise invalid("Metadata values must be strings.", param=_full(name, key))
        if len(key) > _METADATA_KEY_LENGTH or len(value) > _METADATA_VALUE_LENGTH:
            raise invalid(
                f"Metadata keys can have {_METADATA_KEY_LENGTH} characters, values {_METADATA_VALUE_LENGTH}.",
                param=_full(name, key),
            )
    # An empty value unsets a key.
    return {key: value for key, value in raw.items() if value}
