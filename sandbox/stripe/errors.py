"""Stripe's errors, as its API words them.

https://docs.stripe.com/api/errors, https://docs.stripe.com/error-codes
"""

from __future__ import annotations

from typing import Any

from sandbox.faults import CANARY
from sandbox.stripe.shapes import Obj, shaped


class ApiError(Exception):
    """An answer other than 2xx.

    Args:
        status: the HTTP status.
        message: text for people.
        code: Stripe's error code; many errors have none.
        param: the invalid parameter.
        type_: Stripe's error type.
        stored: whether it is stored under the idempotency key. Stripe does not store validation errors.
        payment_intent: the PaymentIntent concerned, which Stripe includes in full.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type_: str = "invalid_request_error",
        stored: bool = True,
        payment_intent: Obj | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.stored = stored
        self._body: dict[str, Any] = {"message": f"{message} ({CANARY})", "type": type_}
        if code is not None:
            self._body |= {"code": code, "doc_url": f"https://docs.stripe.com/error-codes#{code}"}
        if param is not None:
            self._body["param"] = param
        if payment_intent is not None:
            self._body["payment_intent"] = shaped(payment_intent)

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": self._body}


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> ApiError:
    """A parameter failed validation, before the request began to run."""
    return ApiError(400, message, code=code, param=param, stored=False)


def unsupported(names: list[str]) -> ApiError:
    """Parameters that Stripe has and the stand-in does not support."""
    message = f"This stand-in for Stripe does not implement: {', '.join(names)}"
    return invalid(message, code="sandbox_unsupported", param=names[0])


def missing(param: str) -> ApiError:
    """A required parameter is absent."""
    return invalid(f"Missing required param: {param}.", code="parameter_missing", param=param)


def no_such(kind: str, object_id: str, param: str) -> ApiError:
    """An unknown id: a 404 in the path, a 400 in a parameter."""
    status = (
        404 if param in {"id", "intent", "session", "charge_id", "refund_id", "dispute_id", "event"} else 400
    )
    return ApiError(status, f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


def unexpected_state(intent: Obj, message: str) -> ApiError:
    """The PaymentIntent's status does not allow the request."""
    return ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=intent)
