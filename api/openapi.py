"""The OpenAPI document: FastAPI's description of the routes, with names, summaries and examples added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from api.errors import PROBLEM_JSON, Problem

Json = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"

_OPERATION_IDS: Final = {
    "guests.hotel": "get_hotel",
    "guests.book": "create_booking",
    "guests.submit": "submit_booking",
    "guests.look": "get_booking",
    "guests.cancel": "cancel_booking",
    "guests.payment_session": "open_payment_session",
    "guests.verify": "verify_payment",
    "staff.log_in": "create_staff_token",
    "staff.log_ins": "list_log_ins",
    "staff.end": "end_log_in",
    "staff.queue": "list_bookings",
    "staff.look": "get_hotel_booking",
    "staff.approve": "approve_booking",
    "staff.decline": "decline_booking",
    "staff.cancel": "cancel_confirmed_booking",
    "realtime.authorize": "authorize_channel",
    "Stripe.stripe_webhook": "receive_stripe_event",
    "operations.alive": "get_health",
    "operations.ready": "get_readiness",
    "operations.metrics": "get_metrics",
}
"""Operation names for generated clients, by tag and function. A route that is not listed uses its function's name."""

_BY_NAME: Final[Mapping[str, Any]] = {
    "access_token": "Zk3v8Tq1…",
    "actor": "guest",
    "address": "198.51.100.7",
    "adults": 2,
    "amount": "150.00",
    "amount_captured": "0.00",
    "amount_paid_elsewhere": "0.00",
    "amount_refunded": "0.00",
    "booking_id": "BK-7Q2M9-XKD4T-ZRW3H",
    "cancel_url": "https://hotel.example/back",
    "check_in": "2027-05-29",
    "check_out": "2027-05-31",
    "children": 0,
    "code": "double",
    "currency": "EUR",
    "decision_made_by": None,
    "email": "aoife@example.com",
    "event": "authorized",
    "expires_in": 28800,
    "first_name": "Aoife",
    "grant_type": "password",
    "from": "PENDING_PAYMENT",
    "hotel": "hotel-killarney",
    "last_name": "Brennan",
    "late_cancel_fee_percent": 100,
    "log_in_id": "9f86d081884c7d659a2feaa0c55ad015",
    "max_guests": 2,
    "name": "Double room",
    "next_cursor": None,
    "otp": "492039",
    "password": "correct-horse",
    "payment_intent_id": "pi_3Q0x",
    "payment_provider": "stripe",
    "payment_reference": "pi_3Q0x",
    "payment_url": "https://checkout.stripe.com/c/pay/cs_test_a1",
    "pending_decision": None,
    "price_per_night": "75.00",
    "reason_note": None,
    "room_type": "double",
    "session_id": "cs_test_a1",
    "slug": "hotel-killarney",
    "special_requests": "A quiet room, please.",
    "status": "PENDING_APPROVAL",
    "success_url": "https://hotel.example/paid?session_id={CHECKOUT_SESSION_ID}",
    "text": "Cancel free of charge until 00:00 (hotel time) two days before check-in.",
    "timezone": "Europe/Dublin",
    "to": "PENDING_APPROVAL",
    "token_type": "bearer",
    "username": "approver@hotel-killarney.test",
    "version": 3,
}
"""Examples of members, used in every schema that accepts them."""

_BY_OPERATION: Final[Mapping[tuple[str, str], Any]] = {
    ("receive_stripe_event", "body"): {
        "id": "evt_1Q0x",
        "object": "event",
        "type": "payment_intent.amount_capturable_updated",
        "livemode": False,
        "data": {"object": {"id": "pi_3Q0x", "object": "payment_intent"}},
    },
    ("receive_stripe_event", "200"): {"received": True},
    ("authorize_channel", "200"): {"auth": "key:3f2a…"},
    ("get_health", "200"): {"status": "ok"},
    ("get_readiness", "200"): {
        "status": "ok",
        "database": "ok",
        "temporal": "ok",
        "worker": "ok",
        "last_complete_sweep": "2027-05-01T09:30:00Z",
        "last_complete_reconciliation": "2027-05-01T09:15:00Z",
    },
    ("get_metrics", "200"): "stripe_inbox_backlog 0.0\n",
}

_PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "400": ("invalid_signature", "The signature is invalid, or its timestamp is too far from now."),
    "401": ("invalid_token", "Send the token as `Authorization: Bearer …`."),
    "403": ("forbidden", "This needs an approver or manager."),
    "404": ("not_found", "There is no such booking."),
    "409": ("already_decided", "This booking has already been decided otherwise; `booking` shows how."),
    "413": ("body_too_large", "The body may have 1 MiB at most."),
    "422": ("invalid_request", "Check-in is in the past by the hotel's calendar."),
    "429": ("rate_limited", "Too many failed log-ins; wait a little."),
    "503": ("temporal_unavailable", "The booking engine cannot be reached. Try again."),
}
"""Code and detail of one problem for each status."""


def operation_id(route: APIRoute) -> str:
    """A route's name for generated clients."""
    tag = str(route.tags[0]) if route.tags else ""
    return _OPERATION_IDS.get(f"{tag}.{route.name}", route.name)


def document(app: FastAPI) -> Json:
    """Build the document once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        problem = TypeAdapter(Problem).json_schema(ref_template=_SCHEMAS + "{model}")
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas |= problem.pop("$defs", {}) | {"Problem": problem}
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for operation in _operations(made):
            _forget_fastapis_error(operation)
            _summarize(operation)
            _add_examples(operation, schemas)
        app.openapi_schema = made
    return app.openapi_schema


def _operations(made: Json) -> Iterator[Json]:
    for item in made["paths"].values():
        yield from item.values()


def _forget_fastapis_error(operation: Json) -> None:
    """FastAPI adds an error of its own shape to each route that has a parameter and documents no 422."""
    if "application/json" in operation["responses"].get("422", {}).get("content", {}):
        del operation["responses"]["422"]


def _summarize(operation: Json) -> None:
    """FastAPI takes a function's name for the summary; the first line of its docstring says more."""
    first, _, rest = operation.get("description", "").partition("\n")
    if first:
        operation["summary"] = first.strip().removesuffix(".")
    if rest.strip():
        operation["description"] = rest.strip()
    else:
        operation.pop("description", None)


def _add_examples(operation: Json, schemas: Json) -> None:
    name = operation["operationId"]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        media["example"] = _BY_OPERATION.get((name, "body")) or _example(media["schema"], schemas)
    for status, response in operation["responses"].items():
        for kind, media in response.get("content", {}).items():
            if kind == PROBLEM_JSON:
                media["example"] = _problem(status)
            else:
                media["example"] = _BY_OPERATION.get((name, status)) or _example(media["schema"], schemas)


def _problem(status: str) -> Json:
    code, detail = _PROBLEMS[status]
    return {"title": HTTPStatus(int(status)).phrase, "status": int(status), "code": code, "detail": detail}


def _example(schema: Json, schemas: Json, name: str = "") -> Any:
    """A value that a schema accepts, built from its members' names and examples."""
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].removeprefix(_SCHEMAS)], schemas, name)
    known = _BY_NAME.get(name, ...)
    if known is not ... and _takes(schema, known):
        return known
    for given in ("examples", "enum"):
        if given in schema:
            return schema[given][0]
    if "default" in schema:
        return schema["default"]
    for kind in ("anyOf", "oneOf", "allOf"):
        if kind in schema:
            return _example(schema[kind][0], schemas, name)
    if schema.get("type") == "object":
        members: Json = schema.get("properties", {})
        return {member: _example(part, schemas, member) for member, part in members.items()}
    if schema.get("type") == "array":
        return [_example(schema["items"], schemas, name)]
    return {"integer": 2, "number": 2, "boolean": False, "null": None}.get(schema.get("type", ""), "…")


def _takes(schema: Json, value: Any) -> bool:
    """Whether a schema accepts a known example: another member may have the same name."""
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return bool(value == schema["const"])
    if "anyOf" in schema:
        return any(_takes(part, value) for part in schema["anyOf"])
    kinds = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
    return kinds.get(type(value)) == schema.get("type")
