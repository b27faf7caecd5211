"""Errors as RFC 9457 problems, each with a stable `code`. All errors are mapped here."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

PROBLEM_JSON: Final = "application/problem+json"

TEMPORAL_UNAVAILABLE: Final = "temporal_unavailable"
DATABASE_UNAVAILABLE: Final = "database_unavailable"
STRIPE_UNAVAILABLE: Final = "stripe_unavailable"
WORKER_UNAVAILABLE: Final = "worker_unavailable"

_RETRY_AFTER_S: Final = 5
_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


class ProblemError(Exception):
    """A refused or failed request, with its answer.

    Args:
        status: the HTTP status.
        code: stable, for programs.
        code: stable, for programs.
        detail: for people: the problem and its solution. Never contains the caller's input.
        members: more members of the body.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def response(self) -> Response:
        """The HTTP response."""
        body = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.members,
        }
        return JSONResponse(body, self.status, self.headers, media_type=PROBLEM_JSON)


def not_found(what: str) -> ProblemError:
    """404; another caller's booking is not found either."""
    return ProblemError(404, "not_found", f"There is no such {what}.")


def unauthorized(code: str, detail: str) -> ProblemError:
    """401: no token, or one that is not valid here."""
    return ProblemError(401, code, detail, headers={"WWW-Authenticate": "Bearer"})


def invalid(field: str, message: str, code: str = "invalid_request") -> ProblemError:
    """422 about one field of the request."""
    return ProblemError(422, code, message, errors=[{"field": field, "message": message}])


def invalid_all(problems: Sequence[ProblemError]) -> ProblemError:
    """One 422 for several problems: code and detail are the first one's, `errors` lists all of them."""
    first = problems[0]
    errors = [error for problem in problems for error in problem.members["errors"]]
    return ProblemError(422, first.code, first.detail, errors=errors)


def conflict(code: str, detail: str, booking: Mapping[str, Any]) -> ProblemError:
    """409, with the booking's present state."""
    return ProblemError(409, code, detail, booking=booking)


def too_many(retry_after_s: int, detail: str) -> ProblemError:
    """429."""
    return ProblemError(429, "rate_limited", detail, headers={"Retry-After": str(retry_after_s)})


def unavailable(code: str, detail: str, retry_after_s: int = _RETRY_AFTER_S) -> ProblemError:
    """503: a dependency of this service is away."""
    return ProblemError(503, code, detail, headers={"Retry-After": str(retry_after_s)})


def body_too_large() -> ProblemError:
    """413."""
    return ProblemError(413, "body_too_large", "The body may have 1 MiB at most.")


def internal(request_id: str) -> ProblemError:
    """500: a defect of the product; the log has it under the request id."""
    detail = f"Something went wrong on our side. When you report it, name the request id {request_id}."
    return ProblemError(500, "internal_error", detail, request_id=request_id)


# --- mapping --------------------------------------------------------------------------------------------


Handler = Callable[[Request, Exception], Coroutine[Any, Any, Response]]
Answer = Callable[[Request, ProblemError], Response]
"""The format of an error's answer: JSON for a program, a page for a person."""


def install_error_handlers(app: FastAPI, answer: Answer) -> None:
    """Answer every error of `app` as a problem. The middleware answers the rest."""

    def handled_by(read: Callable[[Exception], ProblemError]) -> Handler:
        async def handle(request: Request, error: Exception) -> Response:
            return answer(request, read(error))

        return handle

    app.add_exception_handler(ProblemError, handled_by(_problem))
    app.add_exception_handler(RequestValidationError, handled_by(_validation))
    app.add_exception_handler(HTTPException, handled_by(_http))


def _problem(error: Exception) -> ProblemError:
    assert isinstance(error, ProblemError)
    return error


def _validation(error: Exception) -> ProblemError:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"field": _field(item["loc"]), "message": item["msg"].removeprefix("Value error, ")}
        for item in error.errors()
    ]
    detail = "The request is not valid; `errors` lists the problems."
    return ProblemError(422, "invalid_request", detail, errors=errors)


def _field(location: Sequence[str | int]) -> str:
    # The names of unknown fields are the caller's own text and may be anything.
    parts = [str(part) for part in location[1:]] or [str(location[0])]
    return ".".join(part if _FIELD_NAME.fullmatch(part) else "(unknown field)" for part in parts)


def _http(error: Exception) -> ProblemError:
    assert isinstance(error, HTTPException)
    return _from_status(error.status_code, error.headers)


def _from_status(status: int, headers: Mapping[str, str] | None) -> ProblemError:
    match status:
        case 400:
            # FastAPI's message for a body it could not read; there is no field to name.
            return ProblemError(422, "invalid_request", "The body could not be read.", errors=[])
        case 404:
            return ProblemError(404, "not_found", "There is nothing at this address. Paths end in a slash.")
        case 405:
            detail = "This address does not accept that method; `Allow` lists those it accepts."
            return ProblemError(405, "method_not_allowed", detail, headers=headers)
        case 413:
            return body_too_large()
        case _:
            phrase = HTTPStatus(status).phrase
            code = phrase.lower().replace(" ", "_")
            return ProblemError(status, code, f"{phrase}.", headers=headers)


# --- documentation --------------------------------------------------------------------------------------


class FieldError(BaseModel):
    """A problem with one field."""

    field: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    code: str = Field(description="Stable; for programs.", examples=["already_decided"])
    detail: str = Field(description="For people: the problem and its solution.")
    errors: list[FieldError] | None = Field(None, description="On 422: the problem of each field.")
    booking: dict[str, Any] | None = Field(None, description="On 409: the booking's present state.")


_MEANINGS: Final = {
    400: "Bad signature, timestamp or mode",
    401: "No token, or a bad one",
    403: "Not allowed to this role",
    404: "Unknown, or another hotel's",
    409: "The booking's status does not allow this; `booking` shows it",
    413: "Over 1 MiB",
    422: "Bad input; `errors` lists the problems",
    429: "Too many requests; `Retry-After` says when to try again",
    503: (
        f"`{TEMPORAL_UNAVAILABLE}`, `{DATABASE_UNAVAILABLE}`, `{STRIPE_UNAVAILABLE}` or "
        f"`{WORKER_UNAVAILABLE}`; `Retry-After` says when to try again"
    ),
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route. Every route may answer 503."""
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": _MEANINGS[status], "content": content} for status in sorted({*statuses, 503})
    }
