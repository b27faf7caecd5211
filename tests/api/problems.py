"""Every error answer has one shape."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import httpx

_WITH_RETRY_AFTER = {429, 503}


def assert_problem(response: httpx.Response, status: int, code: str, *fields: str) -> dict[str, Any]:
    """Check that an answer is a problem with this status and code, and return its body.

    Args:
        fields: on 422, the fields that are to be mended; all of them.
    """
    assert response.status_code == status, f"{response.status_code}: {response.text[:500]}"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"]
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"]) == (status, code), body
    assert body["title"] == HTTPStatus(status).phrase
    assert body["detail"]
    if status in _WITH_RETRY_AFTER:
        assert re.fullmatch(r"[1-9][0-9]*", response.headers["retry-after"])
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
    if status == 409 and code != "sold_out":  # which may come before there is a booking
        assert body["booking"]["booking_id"]
    if fields:
        assert sorted(error["field"] for error in body["errors"]) == sorted(fields), body["errors"]
    return body
