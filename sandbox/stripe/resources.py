"""The API's endpoints and their handlers. The rules are in the modules they call."""

from __future__ import annotations

from typing import Any, Final

from stripe import params
from stripe.params import checkout as checkout_params

from sandbox.stripe.api import Call, Route
from sandbox.stripe.checkout import create_session, expire
from sandbox.stripe.errors import invalid, missing, no_such
from sandbox.stripe.events import found_event, rendered
from sandbox.stripe.payments import cancel, capture
from sandbox.stripe.refunds import refund
from sandbox.stripe.shapes import Obj
from sandbox.stripe.store import ListPage, Store

_LONGEST_PAGE: Final = 100
_MOST_EVENT_TYPES: Final = 20
_COMPARISONS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def found(store: Store, kind: str, object_id: str, param: str) -> Obj:
    """Return an object.

    Raises:
        ApiError: there is none with that kind and id; `param` names the parameter with the id.
    """
    obj = store.find(kind, object_id)
    if obj is None:
        raise no_such(kind, object_id, param)
    return obj


def _listed(call: Call, kind: str, url: str, where: dict[str, Any]) -> Obj:
    page = _page(call, kind)
    created = call.params.get("created", {})
    for name, value in ({"gte": created, "lte": created} if isinstance(created, int) else created).items():
        where[f"created {_COMPARISONS[name]} ?"] = value
    objects = call.change.store.select(kind, where, page)
    shown = objects[: page.limit]
    if page.ending_before is not None:
        shown.reverse()
    return {"object": "list", "url": url, "has_more": len(objects) > page.limit, "data": shown}


def _page(call: Call, kind: str) -> ListPage:
    limit = call.params.get("limit", 10)
    if not 1 <= limit <= _LONGEST_PAGE:
        message = f"This value must be between 1 and {_LONGEST_PAGE}."
        raise invalid(message, code="parameter_invalid_integer", param="limit")
    cursors = {name: call.params.get(name) for name in ("starting_after", "ending_before")}
    if all(cursors.values()):
        raise invalid("You can only use one of starting_after, ending_before.", code="parameters_exclusive")
    for name, cursor in cursors.items():
        if cursor is not None and call.change.store.find(kind, cursor) is None:
            raise no_such(kind, cursor, name)
    return ListPage(limit, **cursors)


def _where(call: Call, **columns: str) -> dict[str, Any]:
    """Return a condition for each parameter given: `payment_intent="payment_intent = ?"`."""
    return {condition: call.params[name] for name, condition in columns.items() if name in call.params}


def _create_session(call: Call) -> Obj:
    return create_session(call.change, call.params, call.base_url)


def _session(call: Call) -> Obj:
    return found(call.change.store, "checkout.session", call.id, "session")


def _sessions(call: Call) -> Obj:
    where = _where(call, payment_intent="payment_intent = ?", status="label = ?")
    return _listed(call, "checkout.session", "/v1/checkout/sessions", where)


def _expire_session(call: Call) -> Obj:
    session = _session(call)
    expire(call.change, session)
    return session


def _intent(call: Call) -> Obj:
    return found(call.change.store, "payment_intent", call.id, "intent")


def _intents(call: Call) -> Obj:
    return _listed(call, "payment_intent", "/v1/payment_intents", {})


def _capture(call: Call) -> Obj:
    intent = _intent(call)
    intent["metadata"] |= call.params.get("metadata") or {}
    capture(call.change, intent, call.params.get("amount_to_capture"))
    return intent


def _cancel(call: Call) -> Obj:
    intent = _intent(call)
    cancel(call.change, intent, call.params.get("cancellation_reason"))
    return intent


def _charge(call: Call) -> Obj:
    return found(call.change.store, "charge", call.id, "charge_id")


def _charges(call: Call) -> Obj:
    return _listed(call, "charge", "/v1/charges", _where(call, payment_intent="payment_intent = ?"))


def _create_refund(call: Call) -> Obj:
    store, asked = call.change.store, call.params
    if {"charge", "payment_intent"} <= asked.keys():
        message = "You may only specify one of these parameters: charge, payment_intent."
        raise invalid(message, code="parameters_exclusive", param="charge")
    if "charge" in asked:
        charge: Obj | None = found(store, "charge", asked["charge"], "charge")
        assert charge is not None
        intent = store.get("payment_intent", charge["payment_intent"])
    elif "payment_intent" in asked:
        intent = found(store, "payment_intent", asked["payment_intent"], "payment_intent")
        charge = store.get("charge", intent["latest_charge"]) if intent.get("latest_charge") else None
    else:
        raise missing("payment_intent")
    return refund(
        call.change,
        intent,
        charge,
        asked.get("amount"),
        reason=asked.get("reason"),
        metadata=asked.get("metadata") or {},
    )


def _refund(call: Call) -> Obj:
    return found(call.change.store, "refund", call.id, "refund_id")


def _refunds(call: Call) -> Obj:
    where = _where(call, payment_intent="payment_intent = ?", charge="charge = ?")
    return _listed(call, "refund", "/v1/refunds", where)


def _dispute(call: Call) -> Obj:
    return found(call.change.store, "dispute", call.id, "dispute_id")


def _disputes(call: Call) -> Obj:
    where = _where(call, payment_intent="payment_intent = ?", charge="charge = ?")
    return _listed(call, "dispute", "/v1/disputes", where)


def _balance_transaction(call: Call) -> Obj:
    return found(call.change.store, "balance_transaction", call.id, "id")


def _balance_transactions(call: Call) -> Obj:
    return _listed(call, "balance_transaction", "/v1/balance_transactions", {})


def _event(call: Call) -> Obj:
    return rendered(call.change.store, found_event(call.change.store, call.id))


def _events(call: Call) -> Obj:
    asked = call.params
    where = _where(call, type="label GLOB ?")
    if "types" in asked:
        if "type" in asked:
            message = "You may pass either type or types, but not both."
            raise invalid(message, code="parameters_exclusive", param="types")
        if len(asked["types"]) > _MOST_EVENT_TYPES:
            raise invalid(
                f"Array types exceeded maximum {_MOST_EVENT_TYPES} allowed elements.", param="types"
            )
        where[f"label IN ({', '.join('?' * len(asked['types']))})"] = asked["types"]
    if "delivery_success" in asked:
        left = "(SELECT 1 FROM deliveries WHERE event_id = objects.id AND state <> 'delivered')"
        where[f"EXISTS {left} <> ?"] = asked["delivery_success"]
    listed = _listed(call, "event", "/v1/events", where)
    return {**listed, "data": [rendered(call.change.store, event) for event in listed["data"]]}


def _account(_: Call) -> Obj:
    return {
        "id": "acct_sandbox",
        "object": "account",
        "charges_enabled": True,
        "country": "IE",
        "default_currency": "eur",
        "details_submitted": True,
        "metadata": {},
        "payouts_enabled": True,
        "type": "standard",
    }


def _balance(_: Call) -> Obj:
    return {"object": "balance", "available": [], "livemode": False, "pending": []}


def _webhook_endpoints(call: Call) -> Obj:
    """The endpoint that the control API has set; Stripe shows no secret after the creation."""
    kept = call.change.store.setting("webhook_endpoint")
    data = [] if kept is None else [_webhook_endpoint(kept)]
    return {"object": "list", "data": data, "has_more": False, "url": "/v1/webhook_endpoints"}


def _webhook_endpoint(kept: Obj) -> Obj:
    return {
        "id": "we_sandbox",
        "object": "webhook_endpoint",
        "created": 0,
        "enabled_events": list(kept["events"]),
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": kept["url"],
    }


_PAGING: Final = frozenset({"created", "ending_before", "limit", "starting_after"})
_OF_A_PAYMENT: Final = frozenset({"payment_intent"})
_REFUND: Final = frozenset({"amount", "charge", "metadata", "payment_intent", "reason"})

ROUTES: Final = (
    Route("POST", "/v1/checkout/sessions", checkout_params.SessionCreateParams, _create_session, None),
    Route(
        "GET",
        "/v1/checkout/sessions",
        checkout_params.SessionListParams,
        _sessions,
        _PAGING | _OF_A_PAYMENT | {"status"},
    ),
    Route("GET", "/v1/checkout/sessions/{id}", checkout_params.SessionRetrieveParams, _session),
    Route("POST", "/v1/checkout/sessions/{id}/expire", checkout_params.SessionExpireParams, _expire_session),
    Route("GET", "/v1/payment_intents", params.PaymentIntentListParams, _intents, _PAGING),
    Route("GET", "/v1/payment_intents/{id}", params.PaymentIntentRetrieveParams, _intent),
    Route(
        "POST",
        "/v1/payment_intents/{id}/capture",
        params.PaymentIntentCaptureParams,
        _capture,
        frozenset({"amount_to_capture", "metadata"}),
    ),
    Route(
        "POST",
        "/v1/payment_intents/{id}/cancel",
        params.PaymentIntentCancelParams,
        _cancel,
        frozenset({"cancellation_reason"}),
    ),
    Route("GET", "/v1/charges", params.ChargeListParams, _charges, _PAGING | _OF_A_PAYMENT),
    Route("GET", "/v1/charges/{id}", params.ChargeRetrieveParams, _charge),
    Route("POST", "/v1/refunds", params.RefundCreateParams, _create_refund, _REFUND),
    Route("GET", "/v1/refunds", params.RefundListParams, _refunds, _PAGING | _OF_A_PAYMENT | {"charge"}),
    Route("GET", "/v1/refunds/{id}", params.RefundRetrieveParams, _refund),
    Route("GET", "/v1/disputes", params.DisputeListParams, _disputes, _PAGING | _OF_A_PAYMENT | {"charge"}),
    Route("GET", "/v1/disputes/{id}", params.DisputeRetrieveParams, _dispute),
    Route(
        "GET",
        "/v1/events",
        params.EventListParams,
        _events,
        _PAGING | {"delivery_success", "type", "types"},
    ),
    Route("GET", "/v1/events/{id}", params.EventRetrieveParams, _event),
    Route("GET", "/v1/account", params.AccountRetrieveCurrentParams, _account),
    Route(
        "GET",
        "/v1/balance_transactions",
        params.BalanceTransactionListParams,
        _balance_transactions,
        _PAGING,
    ),
    Route(
        "GET",
        "/v1/balance_transactions/{id}",
        params.BalanceTransactionRetrieveParams,
        _balance_transaction,
    ),
    Route("GET", "/v1/balance", params.BalanceRetrieveParams, _balance),
    Route(
        "GET",
        "/v1/webhook_endpoints",
        params.WebhookEndpointListParams,
        _webhook_endpoints,
        frozenset({"limit"}),
    ),
)
