"""Compares an answer with the types that Stripe's own SDK declares for it, down to the last field."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from importlib import import_module
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

from stripe import ListObject, StripeObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import UntypedStripeObject


def departures(value: Any, cls: type[StripeObject], path: str = "") -> Iterator[str]:
    """Yield where an object is not what the SDK's class says: one line each, none if it is.

    Every declared field must be there, null only where it may be, of its type, and in its enumeration;
    and nothing else may be there. Objects within it, expanded or not, are compared likewise.
    """
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is not a {cls.__name__}"
        return
    fields = _fields(cls)
    for name in value.keys() - fields.keys():
        yield f"{path}.{name}: {cls.__name__} has no such field"
    for name, hint in fields.items():
        if name in value:
            yield from _mismatches(value[name], hint, f"{path}.{name}")
        elif not _is_alternative(cls, name, value):
            yield f"{path}.{name}: missing"


def _fields(cls: type[StripeObject]) -> dict[str, Any]:
    return {
        name: hint
        for name, hint in inspect.get_annotations(cls).items()
        if not name.startswith("_") and name != "OBJECT_NAME"
    }


def _is_alternative(cls: type[StripeObject], name: str, value: dict[str, Any]) -> bool:
    """Of objects of which `type` names the one member that is there, the others are left out."""
    return name in cls._inner_class_types and name != value.get("type", name)


def _mismatches(value: Any, hint: Any, path: str) -> Iterator[str]:
    options = list(_options(hint))
    literals = [choice for option in options if get_origin(option) is Literal for choice in get_args(option)]
    if literals:
        # The SDK leaves enumerations open for values to come; an answer of its own version has none.
        options = [option for option in options if option is not str]
    found = [list(_against(value, option, path)) for option in options]
    if all(found):
        yield from min(found, key=len)


def _options(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in {Union, types.UnionType}:
        for part in get_args(hint):
            yield from _options(part)
    else:
        yield hint


def _against(value: Any, option: Any, path: str) -> Iterator[str]:
    """Compare with a type that is not a union."""
    origin, arguments = get_origin(option), get_args(option)
    if origin is Literal:
        if value not in arguments:
            yield f"{path}: {value!r} is none of {arguments}"
    elif origin in {list, tuple} or option is list:
        yield from _list_mismatches(value, arguments[0], path)
    elif origin is ListObject:
        yield from _page_mismatches(value, arguments[0], path)
    elif origin in {UntypedStripeObject, dict} or option is StripeObject:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is not an object"
        elif arguments and arguments[-1] is str:
            yield from (f"{path}.{k}: {v!r} is not text" for k, v in value.items() if type(v) is not str)
    elif isinstance(option, ForwardRef):
        yield from departures(value, _class_named(option.__forward_arg__, value), path)
    elif isinstance(option, type) and issubclass(option, StripeObject):
        yield from departures(value, option, path)
    elif option is not Any and type(value) is not option:
        yield f"{path}: {value!r} is not {option}"


def _list_mismatches(value: Any, hint: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: {value!r} is not a list"
        return
    for index, item in enumerate(value):
        yield from _mismatches(item, hint, f"{path}[{index}]")


def _page_mismatches(value: Any, hint: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict) or value.keys() != {"object", "data", "has_more", "url"}:
        yield f"{path}: {value!r} is not a list object"
        return
    yield from _list_mismatches(value["data"], hint, path)


def _class_named(name: str, value: Any) -> type[StripeObject]:
    """Return the class an annotation names, by the kind that the object says it is."""
    kind = value.get("object") if isinstance(value, dict) else None
    module, class_name = OBJECT_CLASSES.get(str(kind), ("stripe", "StripeObject"))
    cls: type[StripeObject] = getattr(import_module(module), class_name)
    return cls if class_name == name.rpartition(".")[2] else _Unlike


class _Unlike(StripeObject):
    """A shape that no value has."""

    id: bool
