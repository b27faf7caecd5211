"""The names programs call workflows by are the ones the workflows answer to, with the same types."""

from __future__ import annotations

from typing import Any, Final, get_type_hints

import pytest
from temporalio.workflow import _Definition

from dispatch import names
from dispatch.names import Signal, Update
from worker import WORKFLOWS
from workflows.booking import BookingWorkflow

_DEFINITION: Final = _Definition.must_from_class(BookingWorkflow)


def _hints(function: Any) -> dict[str, Any]:
    hints = get_type_hints(function)
    hints.setdefault("return", type(None))
    return hints


def test_every_workflow_is_named_once() -> None:
    known = {
        names.BOOKING_WORKFLOW,
        names.ENDED_BOOKING_PAYMENT_WORKFLOW,
        names.SWEEP_WORKFLOW,
        names.RECONCILE_WORKFLOW,
        names.ACCOUNT_MAIL_WORKFLOW,
        names.BOOKING_LINK_WORKFLOW,
    }
    assert {_Definition.must_from_class(each).name for each in WORKFLOWS} == known


def test_every_signal_update_and_query_is_named() -> None:
    assert {signal.name for signal in names.SIGNALS} == set(_DEFINITION.signals)
    assert {update.name for update in names.UPDATES} == set(_DEFINITION.updates)
    assert {names.STATE.name} == set(_DEFINITION.queries)


@pytest.mark.parametrize("signal", names.SIGNALS, ids=lambda signal: signal.name)
def test_signal_carries_what_its_handler_takes(signal: Signal[Any]) -> None:
    hints = _hints(_DEFINITION.signals[signal.name].fn)
    assert [hint for name, hint in hints.items() if name != "return"] == [signal.argument]


@pytest.mark.parametrize("update", names.UPDATES, ids=lambda update: update.name)
def test_update_asks_and_answers_as_its_handler(update: Update[Any, Any]) -> None:
    hints = _hints(_DEFINITION.updates[update.name].fn)
    taken = [hint for name, hint in hints.items() if name != "return"]
    assert taken == ([] if update.argument is type(None) else [update.argument])
    assert hints["return"] is update.answer


def test_query_answers_as_its_handler() -> None:
    assert _hints(_DEFINITION.queries[names.STATE.name].fn)["return"] is names.STATE.answer
