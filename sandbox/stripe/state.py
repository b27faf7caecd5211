"""The running stand-in: its store, its deliveries, its faults, and its transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.faults import Faults
from sandbox.stripe.clock import StripeClock
from sandbox.stripe.config import Config
from sandbox.stripe.events import Origin, new_event
from sandbox.stripe.requests import StripeRequestLog
from sandbox.stripe.shapes import Obj
from sandbox.stripe.store import Store
from sandbox.stripe.webhooks import Endpoint, StripeDeliverer, StripeDelivery


class StripeChange:
    """The change of one request, or of the passing of time: objects and events, all or nothing.

    Args:
        store: the store, with an open transaction.
        deliverer: takes the events.
        origin: the cause.
        now_s: the time, as Unix time in seconds.
    """

    def __init__(self, store: Store, deliverer: StripeDeliverer, origin: Origin, now_s: int) -> None:
        self.store = store
        self.now_s = now_s
        self.deliveries: list[StripeDelivery] = []
        self.event_ids: list[str] = []
        self._deliverer = deliverer
        self._origin = origin

    def emit(self, type_: str, obj: Obj, previous: Obj | None = None) -> None:
        """Emit an event about an object's present state. `previous` has the previous values of the changed fields."""
        endpoint = self._deliverer.endpoint
        wanted = endpoint is not None and endpoint.wants(type_)
        event = new_event(
            type_, obj, created=self.now_s, origin=self._origin, previous=previous, pending=int(wanted)
        )
        self.store.save(event)
        self.event_ids.append(event["id"])
        if wanted:
            self.deliveries.append(self._deliverer.plan(event))


class Sandbox:
    """One running stand-in. Build it within the event loop, because deliveries start with it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.clock = StripeClock()
        self.store = Store(config.data)
        self.faults = Faults()
        self.requests = StripeRequestLog()
        self.latency_s = 0.0
        self.deliverer = StripeDeliverer(self.store, self.faults, self.clock, config.webhook_retry_base_s)
        if config.webhook_url is not None:
            self.deliverer.configure(Endpoint(config.webhook_url, config.webhook_secrets))

    @contextmanager
    def change(self, origin: Origin | None = None) -> Iterator[StripeChange]:
        """Open a transaction; at its end its events are sent."""
        with self.store.transaction():
            change = StripeChange(self.store, self.deliverer, origin or Origin(), int(self.clock.now_s()))
            yield change
        self.deliverer.begin(change.deliveries)

    async def close(self) -> None:
        """Stop deliveries and close the store."""
        await self.deliverer.close()
        self.store.close()
