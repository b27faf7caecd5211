"""The API's description of itself: valid, named, with examples, and true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.api.hotels import HotelDriver
from tests.api.stack import ApiStack
from tests.workflows.servers import Json

_METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
async def document(stack: ApiStack) -> Json:
    """The OpenAPI document."""
    found: Json = (await stack.http.get(f"{stack.api}/openapi.json")).json()
    return found


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Every operation with its method and path."""
    for path, item in document["paths"].items():
        for method in _METHODS & item.keys():
            yield method, path, item[method]


def references(value: Any) -> Iterator[str]:
    """Everything a document refers to."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


async def test_docs_are_served(stack: ApiStack) -> None:
    """People read them at /docs."""
    response = await stack.http.get(f"{stack.api}/docs")
    assert response.status_code == 200
    assert "openapi.json" in response.text


def test_the_document_is_sound(document: Json) -> None:
    """Every reference leads somewhere, every schema is one, every operation has a name of its own."""
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        assert schema, name
    for reference in set(references(document)):
        assert reference.startswith("#/components/schemas/"), reference
        assert reference.rpartition("/")[2] in schemas, reference
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for method, path, operation in operations(document):
        declared = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), (method, path)


def test_the_document_is_valid(document: Json) -> None:
    """By the specification's own schema, names of security schemes included."""
    validate(document)
    assert {"get_hotel", "create_booking", "approve_booking"} <= {
        operation["operationId"] for _, _, operation in operations(document)
    }
    for _, path, operation in operations(document):
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"]), path
        assert operation["summary"].lower().replace(" ", "_") != operation["operationId"], path
        assert " " in operation["summary"], path


def test_every_body_and_answer_has_an_example(document: Json) -> None:
    """One that its own schema takes."""
    for method, path, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in (media for body in bodies for media in body.get("content", {}).values()):
            assert "example" in media, (method, path)
            schema = {**media.get("schema", {}), "components": document["components"]}
            Draft202012Validator(schema).validate(media["example"])


def test_the_document_tells_of_errors(document: Json) -> None:
    """Each is a problem, and nothing promises another shape of error."""
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert set(response["content"]) == {"application/problem+json"}, (method, path, status)
    text = json.dumps(document)
    assert "HTTPValidationError" not in text


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/api/public/hotel/{slug}/", "200 404 503"),
        ("post", "/api/public/hotel/{slug}/room-bookings/", "201 404 409 413 422 429 503"),
        ("post", "/api/public/hotel/{slug}/room-bookings/{booking_id}/submit/", "200 401 404 409 422 503"),
        ("get", "/api/public/hotel/{slug}/room-bookings/{booking_id}/", "200 401 404 503"),
        ("post", "/api/public/hotel/{slug}/room-bookings/{booking_id}/cancel/", "200 202 401 404 409 503"),
        (
            "post",
            "/api/public/hotel/{slug}/room-bookings/{booking_id}/payment/session/",
            "200 401 404 409 413 422 429 503",
        ),
        ("get", "/api/public/hotel/{slug}/room-bookings/{booking_id}/payment/verify/", "200 404 422 429 503"),
        ("post", "/api/public/hotel/room-bookings/stripe-webhook/", "200 400 413 503"),
        ("post", "/api/staff/auth/token/", "200 401 413 422 429 503"),
        ("get", "/api/staff/hotel/{slug}/room-bookings/", "200 401 404 422 503"),
        ("get", "/api/staff/hotel/{slug}/room-bookings/{booking_id}/", "200 401 404 503"),
        (
            "post",
            "/api/staff/hotel/{slug}/room-bookings/{booking_id}/approve/",
            "200 202 401 403 404 409 503",
        ),
        (
            "post",
            "/api/staff/hotel/{slug}/room-bookings/{booking_id}/decline/",
            "200 202 401 403 404 409 413 422 503",
        ),
        (
            "post",
            "/api/staff/hotel/{slug}/room-bookings/{booking_id}/cancel/",
            "200 202 401 403 404 409 413 422 503",
        ),
        ("post", "/api/realtime/auth/", "200 403 413 422 503"),
        ("get", "/readyz", "200 503"),
    ],
)
def test_what_an_operation_may_answer(document: Json, method: str, path: str, statuses: str) -> None:
    """All of it, and no more."""
    assert sorted(document["paths"][path][method]["responses"]) == statuses.split()


async def test_answers_are_as_documented(hotel: HotelDriver, document: Json) -> None:
    """Bookings, pages and problems fit their schemas."""
    guest, staff = await hotel.held(), await hotel.staff()
    shapes = {"components": document["components"]}
    for name, answer in (
        ("BookingView", await guest.read_booking()),
        ("BookingPage", (await staff.ask("GET", "")).json()),
        ("DecidedStaffBooking", (await staff.approve(guest.booking_id)).json()),
        ("Problem", (await staff.decline(guest.booking_id)).json()),
        ("Problem", (await hotel.ask_for({})).json()),
        ("HotelView", (await hotel.stack.http.get(f"{hotel.url}/")).json()),
        ("CreatedBooking", (await hotel.ask_for(hotel.wish())).json()),
    ):
        schema = shapes | {"$ref": f"#/components/schemas/{name}"}
        Draft202012Validator(schema).validate(answer)
