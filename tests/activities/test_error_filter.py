"""The worker lets no other system's words out of an activity: not as an error's text, cause or context, nor logged."""

from __future__ import annotations

import traceback
from typing import Any, Final, NoReturn

import pytest
from sqlalchemy.exc import IntegrityError
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from worker import ActivityErrorFilter

_QUOTED: Final = "nora.kelly@example.com"


def _plain() -> NoReturn:
    raise IntegrityError("INSERT INTO booking VALUES ($1)", {"email": _QUOTED}, ValueError(f"row: {_QUOTED}"))


def _with_context() -> NoReturn:
    try:
        _plain()
    except IntegrityError:
        raise RuntimeError("while handling that") from ValueError(_QUOTED)


def _ours_with_cause() -> NoReturn:
    try:
        _plain()
    except IntegrityError as error:
        raise ApplicationError("a code of ours", type="ours", non_retryable=True) from error


def _ours_with_context() -> NoReturn:
    try:
        _plain()
    except IntegrityError:
        raise ApplicationError("a code of ours", type="ours", non_retryable=True)  # noqa: B904


class _FailingActivity(ActivityInboundInterceptor):
    def __init__(self, fail: Any) -> None:
        self._fail = fail

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: ARG002
        self._fail()


async def _raised_by(fail: Any) -> ApplicationError:
    filtered = ActivityErrorFilter().intercept_activity(_FailingActivity(fail))
    nothing: Any = None
    with pytest.raises(ApplicationError) as failure:
        await filtered.execute_activity(nothing)
    return failure.value


@pytest.mark.parametrize("fail", [_plain, _with_context, _ours_with_cause, _ours_with_context])
async def test_no_word_of_another_system_leaves(fail: Any) -> None:
    """Neither into the history nor into the log, which prints the stack and what led to an error."""
    error = await _raised_by(fail)
    failure = Failure()
    converter = DataConverter.default
    converter.failure_converter.to_failure(error, converter.payload_converter, failure)
    assert _QUOTED not in str(failure)
    assert not failure.HasField("cause")
    assert _QUOTED not in "".join(traceback.format_exception(error))


async def test_what_is_left_says_what_kind_of_error_it_was_and_where() -> None:
    error = await _raised_by(_plain)
    assert (error.type, error.message, error.non_retryable) == ("IntegrityError", "IntegrityError", False)
    assert "in _plain" in "".join(traceback.format_exception(error))


async def test_an_error_of_ours_stays_as_it_is() -> None:
    error = await _raised_by(_ours_with_cause)
    assert (error.type, error.message, error.non_retryable) == ("ours", "a code of ours", True)
