"""Messages evolve with histories: what was recorded once must be readable for ever, by the product's converter.

`golden/messages.json` has one payload of each message, as it was recorded. It only ever grows: a payload that is
there may get further fields, and never lose or rename one. A message that changes in another way needs a new
name beside the old one.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload

from dispatch.message_converter import DATA_CONVERTER
from domain import messages, payment
from domain.attention import AttentionCode
from domain.booking import ActorKind, Decision, Event, MailKind, ReasonCode, Status
from domain.decisions import CommandOutcome
from domain.messages.notifications import StaffEvent
from domain.messages.signals import Command
from domain.payment import PaymentStatus
from reconciliation import runs as reconciliation_run
from reconciliation.runs import StartedBy

Json = dict[str, Any]

GOLDEN: dict[str, Json] = json.loads((Path(__file__).parent / "golden" / "messages.json").read_text())
CONVERTER = DATA_CONVERTER.payload_converter


def _messages(*modules: ModuleType) -> Iterator[type]:
    for module in modules:
        for _, found in inspect.getmembers(module, inspect.isclass):
            if is_dataclass(found) and found.__module__ == module.__name__:
                yield found


MODULES = (
    *(import_module(f"{messages.__name__}.{module.name}") for module in iter_modules(messages.__path__)),
    payment,
    reconciliation_run,
)
MESSAGES = {message.__name__: message for message in _messages(*MODULES)}
each_message = pytest.mark.parametrize("name", sorted(MESSAGES))


def decoded(kind: type, recorded: Json) -> Any:
    data = json.dumps(recorded).encode()
    payload = Payload(metadata={"encoding": b"json/plain"}, data=data)
    return CONVERTER.from_payload(payload, kind)


def encoded(message: Any) -> Json:
    recorded: Json = json.loads(CONVERTER.to_payload(message).data)
    return recorded


def test_every_message_has_its_golden_payload() -> None:
    """None is missing, and none has been removed or renamed since its payload was recorded."""
    assert set(MESSAGES) == set(GOLDEN), (
        "a message that histories hold was removed or renamed, or a new one has no payload in golden/messages.json"
    )


@each_message
def test_golden_payload_is_read_whole(name: str) -> None:
    """Each field that was recorded is still known, and says what it said."""
    message = decoded(MESSAGES[name], GOLDEN[name])
    assert encoded(message) == GOLDEN[name], (
        f"{name}: a recorded field was renamed, removed or means something else now; or a new one is missing in "
        "golden/messages.json"
    )


@each_message
def test_golden_payload_differs_from_the_defaults(name: str) -> None:
    """Otherwise a field that is no longer read would go unnoticed."""
    message, empty = decoded(MESSAGES[name], GOLDEN[name]), MESSAGES[name]()
    for field in fields(MESSAGES[name]):
        assert getattr(message, field.name) != getattr(empty, field.name), field.name


@each_message
def test_golden_payload_comes_back_with_its_types(name: str) -> None:
    """Statuses as statuses and instants as instants, not as the text they were recorded as."""
    message = decoded(MESSAGES[name], GOLDEN[name])
    hints = get_type_hints(MESSAGES[name])
    for field in fields(MESSAGES[name]):
        value, hint = getattr(message, field.name), str(hints[field.name])
        assert type(value).__name__ in hint.replace("typing.", ""), (field.name, value, hint)
        if isinstance(value, datetime):
            assert value.utcoffset() == datetime.now(UTC).utcoffset()


@each_message
def test_nothing_at_all_is_read(name: str) -> None:
    """Every field has a default: what an older version did not send is not asked for."""
    kind = MESSAGES[name]
    assert decoded(kind, {}) == kind()
    assert all(field.default is not MISSING or field.default_factory is not MISSING for field in fields(kind))


@each_message
def test_older_payloads_are_read(name: str) -> None:
    """A payload from before any one field was added has that field's default."""
    kind = MESSAGES[name]
    for field in fields(kind):
        older = {key: value for key, value in GOLDEN[name].items() if key != field.name}
        assert getattr(decoded(kind, older), field.name) == getattr(kind(), field.name)


@each_message
def test_newer_payloads_are_read(name: str) -> None:
    """A worker that is still on the old version passes over a field it does not know."""
    newer = {**GOLDEN[name], "added_tomorrow": {"by": ["somebody", 1, None]}}
    assert decoded(MESSAGES[name], newer) == decoded(MESSAGES[name], GOLDEN[name])


@pytest.mark.parametrize(
    "wrong",
    [
        {"refund_minor": "100"},
        {"refund_minor": 100.5},
        {"withdraw": "yes"},
        {"withdraw": 1},
        {"issued_at": 1700000000},
    ],
)
def test_nothing_is_taken_for_what_it_is_not(wrong: Json) -> None:
    """An amount, a truth or an instant in another type's clothes is refused."""
    with pytest.raises(ValidationError):
        decoded(Command, {**GOLDEN["Command"], **wrong})


@each_message
def test_messages_are_frozen(name: str) -> None:
    """A message that could be changed after it was sent would lie about what was sent."""
    message = MESSAGES[name]()
    field = fields(MESSAGES[name])[0].name
    with pytest.raises(AttributeError):
        setattr(message, field, None)


def test_words_in_payloads_only_grow() -> None:
    """A word that was recorded must stay readable: an unknown one makes its signal undecodable."""
    recorded = {
        Status: "DRAFT PENDING_PAYMENT PENDING_APPROVAL CONFIRMED DECLINED EXPIRED CANCELLED",
        ActorKind: "guest staff stripe system operator",
        Decision: "approve decline cancel",
        PaymentStatus: "none pending requires_capture succeeded canceled",
        StaffEvent: "booking-requested booking-deadline-near",
        StartedBy: "schedule operator",
        ReasonCode: (
            "NO_AVAILABILITY RATE_ERROR GUEST_REQUIREMENTS SUSPECTED_FRAUD OTHER APPROVAL_TIMEOUT "
            "AUTHORIZATION_EXPIRED PAYMENT_MISMATCH SOLD_OUT"
        ),
        CommandOutcome: (
            "settled not_authorized already_decided decision_in_progress not_cancellable too_late needs_attention "
            "refund_pending nothing_owed more_than_owed nothing_to_withdraw money_at_stake"
        ),
        MailKind: (
            "authorized confirmed declined expired cancelled staff_request staff_reminder staff_payment_notice "
            "staff_attention cancellation_withdrawn finish_request payment_reminder booking_link"
        ),
        Event: (
            "created submitted authorized sold_out payment_window_closed approved declined approval_timed_out "
            "authorization_lost captured_outside capture_mismatched cancelled_by_guest cancelled_by_staff "
            "refund_recorded refund_returned paid_elsewhere cancellation_withdrawn dispute_recorded "
            "unmatched_payment_returned attention_needed attention_cleared"
        ),
        AttentionCode: (
            "stripe_refused stripe_key_rejected stripe_unanswered payment_unread event_unread hold_still_placed "
            "refund_not_done refund_returned unmatched_payment_kept payment_mismatch_returned email_failed row_changed"
        ),
    }
    for kind, words in recorded.items():
        assert [str(kind(word)) for word in words.split()] == words.split()


def test_an_unknown_word_is_what_must_not_happen() -> None:
    """The reason for the test above: the converter refuses it, and Temporal drops such a signal."""
    with pytest.raises(ValidationError, match="reason_code"):
        decoded(Command, {**GOLDEN["Command"], "reason_code": "SOMETHING_NEW"})


def test_no_message_has_room_for_a_guest() -> None:
    """M9: ids, amounts, times and words of ours only; what a field is called tells what it may hold."""
    forbidden = (
        "guest",
        "first_name",
        "last_name",
        "email",
        "phone",
        "note",
        "request",
        "url",
        "token",
        "secret",
    )
    names = {field.name for kind in MESSAGES.values() for field in fields(kind)}
    assert [name for name in names if any(word in name for word in forbidden)] == []
