"""Webhooks: signed, tried again, and misbehaving on order."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe as sdk

from tests.sandbox.receiver import ReceivedWebhook, WebhookReceiver
from tests.sandbox.stand_in_process import running
from tests.sandbox.stripe_account import KEY, SECRET, StripeAccount, charge_of

PAID = [
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.amount_capturable_updated",
    "checkout.session.completed",
]


@pytest.fixture
def booking_id() -> str:
    """A booking that no other test uses."""
    return f"BK-{uuid.uuid4().hex}"


def paid(stripe: StripeAccount, booking_id: str) -> str:
    """Let the guest of a booking pay; the PaymentIntent's id."""
    session = stripe.open_session(booking_id)
    assert stripe.pay(session).status_code == 303
    [intent] = stripe.ledger(booking_id=booking_id)["payment_intents"]
    return str(intent["id"])


def deliveries(stripe: StripeAccount, event_id: str) -> list[dict[str, Any]]:
    """The stand-in's record of an event's deliveries, oldest first."""
    listed: list[dict[str, Any]] = stripe.look("webhooks", event_id=event_id)["deliveries"]
    return listed[::-1]


def delivered(stripe: StripeAccount, event_id: str) -> dict[str, Any]:
    """Wait until an event's newest delivery has arrived, and return what was noted of it."""
    stripe.until(lambda: deliveries(stripe, event_id)[-1]["state"] == "delivered")
    return deliveries(stripe, event_id)[-1]


def verified(delivery: ReceivedWebhook, secret: str = SECRET) -> sdk.Event:
    """Check a delivery's signature as the SDK does."""
    return sdk.Webhook.construct_event(delivery.body, delivery.signature, secret)  # type: ignore[no-any-return]


def test_signature_verifies(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """Every event of a payment arrives, and the SDK finds its signature good."""
    paid(stripe, booking_id)
    came = receiver.wait_for(4, booking_id)
    events = [verified(delivery) for delivery in came]
    assert sorted(event.type for event in events) == sorted(PAID)
    assert all(event.api_version == sdk.api_version and not event.livemode for event in events)
    assert all(abs(delivery.timestamp_s - time.time()) < 60 for delivery in came)
    assert came[0].headers["Content-Type"] == "application/json; charset=utf-8"
    with pytest.raises(sdk.SignatureVerificationError):
        verified(came[0], "whsec_wrong")
    altered = ReceivedWebhook(came[0].body + b" ", came[0].signature, {})
    with pytest.raises(sdk.SignatureVerificationError):
        verified(altered)


def test_event_is_the_one_in_the_list(
    stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str
) -> None:
    """The event read later equals the one sent, but for the count of pending deliveries."""
    paid(stripe, booking_id)
    sent = receiver.wait_for(1, booking_id, '"checkout.session.completed"')[0].event
    assert sent["pending_webhooks"] == 1
    read = stripe.sdk.v1.events.retrieve(sent["id"]).to_dict()
    assert {**read, "pending_webhooks": 1} == sent


def test_completed_comes_before_the_guest(
    stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str
) -> None:
    """Checkout lets the merchant's server hear of it before the guest is sent back."""
    paid(stripe, booking_id)
    assert receiver.about(booking_id, '"checkout.session.completed"')


def test_several_secrets(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """While a secret is rolled there is a `v1` for each, and either verifies."""
    stripe.order("webhook_endpoint", url=receiver.url, secret="whsec_old, whsec_new")
    paid(stripe, booking_id)
    delivery = receiver.wait_for(1, booking_id)[0]
    assert delivery.signature.count("v1=") == 2
    assert verified(delivery, "whsec_old").id == verified(delivery, "whsec_new").id
    with pytest.raises(sdk.SignatureVerificationError):
        verified(delivery, SECRET)


def test_tried_again_with_a_fresh_timestamp(
    stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str
) -> None:
    """A 500 is no receipt: the same body comes again, signed anew at the stand-in's present."""
    receiver.answer_with(500, about=booking_id)
    paid(stripe, booking_id)
    stripe.later(1000)
    already = len(receiver.about(booking_id, '"charge.succeeded"'))
    late = receiver.wait_for(already + 2, booking_id, '"charge.succeeded"')
    first, last = late[0], late[-1]
    assert first.body == last.body
    assert last.timestamp_s - first.timestamp_s >= 990
    receiver.answer_with(200, about=booking_id)
    event_id = first.event["id"]
    delivery = delivered(stripe, event_id)
    assert delivery["outcomes"][0] == 500
    assert delivery["outcomes"][-1] == 200
    assert delivery["attempts"] == len(delivery["outcomes"])


@pytest.mark.parametrize("status", [301, 400, 404, 503])
def test_only_2xx_is_a_receipt(
    stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str, status: int
) -> None:
    """Redirects and errors of every kind are tried again, and 204 is as good as 200."""
    event_id = stripe.order("events", type="charge.updated", object={"id": booking_id})["id"]
    receiver.wait_for(1, booking_id)
    receiver.answer_with(status, 204, about=booking_id)
    stripe.order(f"webhooks/{event_id}/redeliver")
    receiver.wait_for(3, booking_id)
    assert delivered(stripe, event_id)["outcomes"] == [status, 204]


def test_nobody_listens(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """An endpoint that is down gets everything once it is up."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    stripe.order("webhook_endpoint", url=f"http://127.0.0.1:{port}/", secret=SECRET)
    paid(stripe, booking_id)
    refused = stripe.events(booking_id)[0]["id"]
    stripe.until(lambda: deliveries(stripe, refused)[0]["attempts"] >= 2)
    assert set(deliveries(stripe, refused)[0]["outcomes"]) == {"ConnectionRefusedError"}
    assert stripe.sdk.v1.events.retrieve(refused).pending_webhooks == 1
    stripe.order("webhook_endpoint", url=receiver.url, secret=SECRET)
    receiver.wait_for(4, booking_id)


def test_no_endpoint(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """Without one, events are kept and go nowhere."""
    stripe.order("webhook_endpoint", url=None)
    paid(stripe, booking_id)
    assert stripe.event_types(booking_id) == PAID
    assert stripe.events(booking_id)[0]["pending_webhooks"] == 0
    stripe.order("webhook_endpoint", url=receiver.url, secret=SECRET)
    assert all(deliveries(stripe, event["id"]) == [] for event in stripe.events(booking_id))
    assert receiver.about(booking_id) == []


def test_redeliver(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """One event many times at once: the same id and body each time."""
    paid(stripe, booking_id)
    event = receiver.wait_for(1, booking_id, '"charge.succeeded"')[0].event
    stripe.order(f"webhooks/{event['id']}/redeliver", count=10)
    came = receiver.wait_for(11, booking_id, '"charge.succeeded"')
    assert len({delivery.body for delivery in came}) == 1
    assert stripe.server.http.post("/_sandbox/webhooks/evt_nobody/redeliver").status_code == 404


def test_duplicate(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """A fault sends one event `copies` times more, and only that one."""
    stripe.server.order_fault(match="WEBHOOK charge.succeeded", kind="duplicate", copies=3)
    paid(stripe, booking_id)
    came = receiver.wait_for(7, booking_id)
    ids = [delivery.event["id"] for delivery in came if delivery.event["type"] == "charge.succeeded"]
    assert (len(ids), len(set(ids))) == (4, 1)


def test_two_events_for_one_change(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """`duplicate_event` tells of the same change under another id, which the list shows, too."""
    stripe.server.order_fault(match="WEBHOOK checkout.session.completed", kind="duplicate_event")
    paid(stripe, booking_id)
    first, second = (d.event for d in receiver.wait_for(2, booking_id, '"checkout.session.completed"'))
    assert first["id"] != second["id"]
    assert first["data"] == second["data"]
    assert stripe.event_types(booking_id).count("checkout.session.completed") == 2


def test_drop(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """A lost event never comes, but the list has it, among what was not delivered."""
    stripe.server.order_fault(match="WEBHOOK checkout.session.completed", kind="drop")
    paid(stripe, booking_id)
    receiver.wait_for(3, booking_id)
    [completed] = [e for e in stripe.events(booking_id) if e["type"] == "checkout.session.completed"]
    assert [row["state"] for row in deliveries(stripe, completed["id"])] == ["dropped"]
    assert receiver.about(completed["id"]) == []
    failed = stripe.sdk.v1.events.list({"limit": 100, "delivery_success": False}).data
    arrived = stripe.sdk.v1.events.list({"limit": 100, "delivery_success": True}).data
    assert completed["id"] in {event.id for event in failed}
    assert completed["id"] not in {event.id for event in arrived}


def test_delay(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """A late event arrives after those that happened later."""
    stripe.server.order_fault(match="WEBHOOK payment_intent.created", kind="delay", delay_s=0.5)
    started = time.monotonic()
    paid(stripe, booking_id)
    came = receiver.wait_for(4, booking_id)
    assert came[-1].event["type"] == "payment_intent.created"
    assert time.monotonic() - started >= 0.5


def test_reorder(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """An event waits until a later one has been delivered."""
    stripe.server.order_fault(
        match="WEBHOOK payment_intent.amount_capturable_updated", kind="reorder", delay_s=30
    )
    paid(stripe, booking_id)
    types = [delivery.event["type"] for delivery in receiver.wait_for(4, booking_id)]
    held_back = types.index("payment_intent.amount_capturable_updated")
    assert types.index("checkout.session.completed") < held_back


def test_events_in_the_dashboard_name_no_key(
    stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str
) -> None:
    """Of a capture over the API the event tells request and key; of one in the Dashboard no key."""
    by_api, by_hand = paid(stripe, booking_id), paid(stripe, f"{booking_id}-hand")
    stripe.sdk.v1.payment_intents.capture(by_api, {}, {"idempotency_key": booking_id})
    stripe.order(f"dashboard/payment_intents/{by_hand}/capture")
    [api] = receiver.wait_for(1, by_api, '"payment_intent.succeeded"')
    [hand] = receiver.wait_for(1, by_hand, '"payment_intent.succeeded"')
    assert api.event["request"]["idempotency_key"] == booking_id
    assert hand.event["request"]["idempotency_key"] is None


@contextlib.contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[str, list[int]]]:
    """A server that answers each request with the next of these bytes, and counts its connections."""
    connections: list[int] = []
    left = list(answers)

    def serve(listener: socket.socket) -> None:
        while left:
            connection, _ = listener.accept()
            connections.append(1)
            with connection, contextlib.suppress(OSError):
                while left and connection.recv(65_536):
                    answer = left.pop(0)
                    connection.sendall(answer)
                    if b"close" in answer or not answer:
                        break

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook?a=b", connections


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("answers", "outcomes", "connections"),
    [
        ([OK], [200], 1),
        ([b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", OK], [500, 200], 1),
        ([b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", OK], [503, 200], 2),
        ([b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nclose", OK], [500, 200], 2),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" + OK], [200], 1),
        ([b"HTTP/1.1 204 Done\r\n\r\n"], [204], 1),
        ([b"", OK], ["Disconnected", 200], 2),
        ([b"HTTP/1.1 200 OK\r\nContent-close", OK], ["Incomplete", 200], 2),
        ([b"hello, close\r\n\r\n", OK], ["NotHttp", 200], 2),
    ],
)
def test_answers_of_all_kinds(
    stripe: StripeAccount, answers: list[bytes], outcomes: list[int | str], connections: int
) -> None:
    """Connections are kept where the answer allows it; what is no answer is tried again."""
    with scripted(*answers) as (url, seen):
        stripe.order("webhook_endpoint", url=url, secret=SECRET)
        event_id = stripe.order("events", type="charge.updated", object={"id": "ch_x"})["id"]
        assert delivered(stripe, event_id)["outcomes"] == outcomes
        assert len(seen) == connections


def test_a_kept_connection_that_was_closed(stripe: StripeAccount) -> None:
    """A server may hang up after its answer: the next event goes out over a new connection, at once."""
    with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclose", OK) as (url, seen):
        stripe.order("webhook_endpoint", url=url, secret=SECRET)
        for count in (1, 2):
            event_id = stripe.order("events", type="charge.updated", object={"id": "ch_x"})["id"]
            assert delivered(stripe, event_id)["outcomes"] == [200]
            assert len(seen) == count


def test_deliveries_survive_a_kill(receiver: WebhookReceiver, tmp_path: Path, booking_id: str) -> None:
    """After `kill -9` and a restart on the same folder, what was pending arrives, and the books are whole."""
    start = ("sandbox.stripe", "--port", "0", "--data", str(tmp_path), "--secret-key", KEY)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    hooks = ("--webhook-url", nowhere, "--webhook-secret", SECRET)
    retries = ("--webhook-retry-base-s", "0.3")
    with running(*start, *hooks, *retries) as server, StripeAccount.open(server) as before:
        intent = before.held(booking_id=booking_id)
        capture = before.sdk.v1.payment_intents.capture(intent.id, {}, {"idempotency_key": "capture"})
        books = before.ledger()
        server.kill()
    assert receiver.about(booking_id) == []
    with (
        running(*start, "--webhook-url", receiver.url, "--webhook-secret", SECRET) as server,
        StripeAccount.open(server) as after,
    ):
        assert after.ledger() == books
        assert charge_of(after.intent(intent.id)).captured
        again = after.sdk.v1.payment_intents.capture(intent.id, {}, {"idempotency_key": "capture"})
        assert again.to_dict() == capture.to_dict()
        came = receiver.wait_for(6, booking_id)
        types = [verified(delivery).type for delivery in came]
        assert sorted(types) == sorted([*PAID, "charge.captured", "payment_intent.succeeded"])
        assert server.interrupt() == (0, "")
