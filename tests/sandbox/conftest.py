"""One stand-in of each kind, and one receiver of webhooks, per process; every test leaves them as it found them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.receiver import WebhookReceiver
from tests.sandbox.stand_in_process import StandInProcess, running
from tests.sandbox.stripe_account import KEY, SECRET, StripeAccount


@pytest.fixture(scope="session")
def running_pusher() -> Iterator[StandInProcess]:
    with running("sandbox.pusher", "--port", "0") as server:
        yield server


@pytest.fixture(scope="session")
def running_mail() -> Iterator[StandInProcess]:
    with running("sandbox.mail", "--smtp-port", "0", "--http-port", "0") as server:
        yield server


@pytest.fixture(scope="session")
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver.listening() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def running_stripe(
    receiver: WebhookReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StripeAccount]:
    arguments = ("--port", "0", "--data", str(tmp_path_factory.mktemp("stripe")), "--secret-key", KEY)
    hooks = ("--webhook-url", receiver.url, "--webhook-secret", SECRET, "--webhook-retry-base-s", "0.05")
    with running("sandbox.stripe", *arguments, *hooks) as server, StripeAccount.open(server) as account:
        yield account


@pytest.fixture
def stripe(running_stripe: StripeAccount, receiver: WebhookReceiver) -> Iterator[StripeAccount]:
    """The stand-in, without faults, in the computer's own time, sending its events to `receiver`."""
    yield running_stripe
    receiver.answer_with(200)
    running_stripe.server.forget("faults")
    usual: dict[str, dict[str, Any]] = {
        "clock": {"offset_s": 0},
        "latency": {"ms": 0},
        "webhook_endpoint": {"url": receiver.url, "secret": SECRET},
    }
    for what in usual.keys() & running_stripe.changed:
        running_stripe.order(what, **usual[what])
    running_stripe.changed.clear()
