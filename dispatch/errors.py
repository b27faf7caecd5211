"""The two errors of a call to Temporal: Temporal is away, or the workflow is not running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import RPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

CALL_PATIENCE_S: Final = 3
"""Seconds that a call may take which only has to be accepted."""


class TemporalAwayError(Exception):
    """Temporal is unreachable, refuses, or did not answer in time. A signal may have arrived all the same."""


class WorkflowGoneError(Exception):
    """No workflow with this id is running: it has ended, or was never started."""


@contextmanager
def temporal_errors() -> Iterator[None]:
    """Translate errors of calls to Temporal.

    Raises:
        WorkflowGoneError: Temporal answered that no such workflow is running.
        TemporalAwayError: Temporal did not carry out the call.
    """
    try:
        yield
    except RPCError as error:
        if is_not_found(error):
            raise WorkflowGoneError from error
        raise TemporalAwayError(str(error)) from error
    # The SDK raises RuntimeError if it cannot connect.
    except RuntimeError as error:
        raise TemporalAwayError(str(error)) from error


@asynccontextmanager
async def temporal_call() -> AsyncIterator[None]:
    """Limit the time of a call that Temporal only has to accept.

    Raises: as `temporal_errors`.
    """
    try:
        with temporal_errors():
            async with asyncio.timeout(CALL_PATIENCE_S):
                yield
    except (RPCTimeoutOrCancelledError, TimeoutError) as error:
        raise TemporalAwayError("no answer in time") from error


def is_not_found(error: RPCError) -> bool:
    """Whether the error means that the workflow does not exist."""
    # A missing namespace has the same status, but says nothing about the workflow.
    namespace_missing = any(
        detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details
    )
    return error.status is RPCStatusCode.NOT_FOUND and not namespace_missing
