"""The shape of answers, from the SDK's resource classes: every annotated field is present, null if unset.

Inside the stand-in an object has only the fields that are set. `PRIVATE` holds data that Stripe would never show.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeAlias

import stripe
from stripe import StripeObject

Obj: TypeAlias = dict[str, Any]

PRIVATE: Final = "_private"
_CONTAINERS: Final = (dict, list)

_CLASSES: Final[dict[str, type[StripeObject]]] = {
    cls.OBJECT_NAME: cls
    for cls in (
        stripe.Account,
        stripe.Balance,
        stripe.BalanceTransaction,
        stripe.Charge,
        stripe.checkout.Session,
        stripe.Dispute,
        stripe.Event,
        stripe.LineItem,
        stripe.PaymentIntent,
        stripe.Refund,
        stripe.WebhookEndpoint,
    )
}


def shaped(obj: Obj) -> Obj:
    """Return an object as Stripe would send it: without private data, with absent fields null.

    Nested objects (expanded ones, and those of an event or a list) are shaped too.
    """
    if obj.get("object") == "list":
        return {**obj, "data": [shaped(item) for item in obj["data"]]}
    return _filled(obj, _CLASSES[obj["object"]])


def is_expandable(obj: Obj, name: str) -> bool:
    """Whether this field of an object can be expanded: it may hold an id or the object itself."""
    cls = _CLASSES.get(str(obj.get("object")))
    return cls is not None and "ForwardRef(" in str(cls.__annotations__.get(name, ""))


def _filled(obj: Obj, cls: type[StripeObject]) -> Obj:
    full = _template(cls).copy()  # type: ignore[arg-type]
    full.update(obj)
    full.pop(PRIVATE, None)
    nested = cls._inner_class_types
    for name, value in obj.items():
        if type(value) in _CONTAINERS and name != PRIVATE:
            full[name] = _value(value, nested.get(name))
    return full


def _value(value: Any, nested: type[StripeObject] | None) -> Any:
    if isinstance(value, list):
        return [_value(item, nested) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("object")
    # An event's `data` has the object under that name.
    if isinstance(kind, str) and (kind == "list" or kind in _CLASSES):
        return shaped(value)
    return _filled(value, nested) if nested else value


@cache
def _template(cls: type[StripeObject]) -> Obj:
    names = [name for name in cls.__annotations__ if name != "OBJECT_NAME" and not name.startswith("_")]
    # A union with a `type`: Stripe sends the member that `type` names, and no other.
    if "type" in names and "id" not in names:
        names = [name for name in names if name not in cls._inner_class_types]
    return dict.fromkeys(names)
