"""`expand[]`: ids replaced by their objects. https://docs.stripe.com/expand"""

from __future__ import annotations

from typing import Any, Final

from sandbox.stripe.errors import invalid, unsupported
from sandbox.stripe.shapes import PRIVATE, Obj, is_expandable
from sandbox.stripe.store import Store

_KINDS: Final = {
    "payment_intent": "payment_intent",
    "latest_charge": "charge",
    "charge": "charge",
    "balance_transaction": "balance_transaction",
}
_DEEPEST: Final = 4


def expanded(store: Store, obj: Obj, paths: list[str]) -> Obj:
    """Return an object, or a list of them, with the fields at these paths expanded.

    Raises:
        ApiError: a path does not exist.
    """
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST:
            raise invalid(
                f"You cannot expand more than {_DEEPEST} levels of a property ({path}).", param="expand"
            )
        obj = _expanded(store, obj, steps, path)
    return obj


def _expanded(store: Store, obj: Obj, steps: list[str], path: str) -> Obj:
    head, *rest = steps
    if obj.get("object") == "list":
        if head != "data" or not rest:
            raise _refused(path)
        return {**obj, "data": [_expanded(store, item, rest, path) for item in obj["data"]]}
    value = obj.get(head)
    if not isinstance(value, dict):
        asked, value = value, _found(store, obj, head, value)
        if value is None and not is_expandable(obj, head):
            raise _refused(path)
        if value is None and asked is not None:
            raise unsupported([f"expand={path}"])
    if rest and isinstance(value, dict):
        value = _expanded(store, value, rest, path)
    return {**obj, head: value}


def _found(store: Store, obj: Obj, name: str, value: Any) -> Obj | None:
    if obj.get("object") == "checkout.session" and name == "line_items":
        return _list(obj[PRIVATE]["line_items"], f"/v1/checkout/sessions/{obj['id']}/line_items")
    if obj.get("object") == "charge" and name == "refunds":
        return _list(store.select("refund", {"charge = ?": obj["id"]}), f"/v1/charges/{obj['id']}/refunds")
    return store.find(_KINDS[name], value) if name in _KINDS and value else None


def _list(data: list[Obj], url: str) -> Obj:
    return {"object": "list", "data": data, "has_more": False, "url": url}


def _refused(path: str) -> Exception:
    return invalid(f"This property cannot be expanded ({path}).", param="expand")
