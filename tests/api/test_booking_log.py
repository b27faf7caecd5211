"""A booking's story in the log: what one `grep` for its id finds."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from functools import partial

import pytest

from activities.call_log import ActivityIds
from domain.identifiers import workflow_id
from logs import JsonLines
from sandbox.drivers import wait_until
from tests.api.hotels import PERSON, HotelDriver
from tests.workflows.servers import Json


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[io.StringIO]:
    """The worker's own log lines, in its own format."""
    caplog.set_level(logging.INFO)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    handler.addFilter(ActivityIds())
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


def grep(log: io.StringIO, word: str) -> list[Json]:
    """The lines that hold a word, in order."""
    return [json.loads(line) for line in log.getvalue().splitlines() if word in line]


async def test_one_grep_finds_the_whole_story(hotel: HotelDriver, log: io.StringIO) -> None:
    """Each change, each call to Stripe and each failed attempt, all under the booking's and its workflow's ids."""
    guest = await hotel.held(special_requests="Facing the sea")
    intent = (await hotel.stack.client.payment(guest.booking_id))["id"]
    await hotel.stack.client.fault(
        hotel.stack.client.at.stripe,
        match=f"POST /v1/payment_intents/{intent}/capture",
        kind="error_before",
        times=1,
    )
    staff = await hotel.staff()
    assert (await staff.approve(guest.booking_id)).status_code == 200
    lines = grep(log, guest.booking_id)

    changes = [line for line in lines if line["message"] == "booking changed"]
    assert [(line["event"], line["status"], line["version"]) for line in changes] == [
        ("submitted", "PENDING_PAYMENT", 2),
        ("authorized", "PENDING_APPROVAL", 3),
        ("approved", "CONFIRMED", 4),
    ]
    captures = [line for line in lines if line.get("path") == f"/v1/payment_intents/{intent}/capture"]
    # The SDK repeats a request once, and Stripe repeats its answer.
    assert [line["status"] for line in captures] == [500, 500, 200]
    assert all(line["key"].startswith(f"booking:{guest.booking_id}:capture:") for line in captures)
    assert all(line["request_id"].startswith("req_") and line["ms"] > 0 for line in captures)
    assert {line["step"] for line in captures} == {"payments.capture"}
    failed = [line for line in lines if line["message"] == "attempt failed"]
    assert [(line["step"], line["attempt"], line["level"]) for line in failed] == [
        ("payments.capture", 1, "WARNING")
    ]
    assert failed[0]["error"].startswith("ApplicationError: stripe_failed: Stripe: HTTP 500")
    for line in (*changes, *captures, *failed):
        assert line["booking_id"] == guest.booking_id
        assert line["workflow_id"] == workflow_id(guest.booking_id)
    private = [*PERSON.values(), "Facing the sea", guest.token]
    assert [word for word in private if word in log.getvalue()] == []


async def test_the_key_steps_have_lines_of_their_own(hotel: HotelDriver, log: io.StringIO) -> None:
    """From the payment session to the capture, each step is a line that holds ids and no personal data."""
    guest = await hotel.held()
    payment = (await hotel.stack.client.payment(guest.booking_id))["id"]
    staff = await hotel.staff()
    assert (await staff.approve(guest.booking_id)).status_code == 200
    await wait_until(partial(_mails, log), lambda kinds: "confirmed" in kinds, what="the last mail")

    lines = grep(log, guest.booking_id)
    by_message = {line["message"]: line for line in lines}
    assert by_message["payment session created"]["session_id"].startswith("cs_")
    assert by_message["payment authorized"]["payment_intent_id"] == payment
    assert by_message["payment captured"]["payment_intent_id"] == payment
    decision = by_message["staff decision"]
    assert decision["decision"] == "approve"
    assert decision["staff_id"]
    assert decision["command_id"]
    webhooks = [line for line in lines if line["message"] == "webhook processed"]
    assert all(line["event_id"].startswith("evt_") for line in webhooks)
    outcomes = {line["event_type"]: line["outcome"] for line in webhooks}
    hold_events = {
        outcomes["payment_intent.amount_capturable_updated"],
        outcomes["checkout.session.completed"],
    }
    # Either may come first, and the other tells the same.
    assert "delivered" in hold_events
    assert hold_events <= {"delivered", "left to the step under way", "nothing new"}
    assert {"authorized", "staff_request", "confirmed"} <= await _mails(log)
    private = [*PERSON.values(), guest.token]
    assert [word for word in private if word in log.getvalue()] == []


async def _mails(log: io.StringIO) -> set[str]:
    return {line["kind"] for line in grep(log, "e-mail accepted")}


async def test_a_refused_card_stays_out_of_the_log(log: io.StringIO) -> None:
    """Of an error only our own words are written: those of others may quote a guest."""
    try:
        _refuse_card()
    except ValueError:
        logging.getLogger("activities").exception("attempt failed")
    [line] = grep(log, "attempt failed")
    assert line["error"] == "ValueError from KeyError"
    assert line["where"][-1].endswith(" _refuse_card")


def _refuse_card() -> None:
    raise ValueError("philippa@example.com") from KeyError("4242")
