"""The direct design's endpoints, at the product's addresses."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Final

import aiosmtplib
import pusher
import stripe
from fastapi import FastAPI, HTTPException, Request
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bench.direct import tables

Json = dict[str, Any]

PRICE_MINOR: Final = 30_000
_BOOKINGS: Final = "/api/public/hotel/{hotel}/room-bookings"


@dataclass(frozen=True)
class DirectConfig:
    """Addresses of the services, and the size of the connection pool."""

    database_url: str
    stripe_key: str
    stripe_base: str
    webhook_secret: str
    pusher: Json
    smtp: tuple[str, int]
    pool: int


class DirectHandlers:
    """The handlers, and the clients they share."""

    def __init__(self, config: DirectConfig) -> None:
        self._places = config
        self._engine: AsyncEngine = create_async_engine(
            make_url(config.database_url).set(drivername="postgresql+asyncpg"),
            pool_size=config.pool,
            max_overflow=0,
            pool_timeout=60,
        )
        client = stripe.StripeClient(
            config.stripe_key,
            http_client=stripe.HTTPXClient(timeout=20, allow_sync_methods=False),
            max_network_retries=2,
            base_addresses={"api": config.stripe_base},
        )
        self._stripe = client.v1
        self._pusher = pusher.Pusher(**config.pusher)

    @asynccontextmanager
    async def life(self, _: FastAPI) -> AsyncIterator[None]:
        """Create the tables at the start, close the pool at the end."""
        async with self._engine.begin() as db:
            for statement in tables.STATEMENTS:
                await db.execute(text(statement))
        yield
        await self._engine.dispose()

    async def book(self, hotel: str, request: Request) -> Json:
        """Create a booking that waits for its payment."""
        guest = (await request.json())["guest"]
        values = {
            "booking_id": f"D-{secrets.token_hex(8)}",
            "hotel": hotel,
            "amount_minor": PRICE_MINOR,
            "guest_email": guest["email"],
            "access_token": secrets.token_urlsafe(24),
        }
        async with self._engine.begin() as db:
            await db.execute(text(tables.INSERT), values)
        return values

    async def session(self, hotel: str, booking_id: str) -> Json:
        """Open a payment page, with the row locked."""
        async with self._engine.begin() as db:
            row = await _one(db, tables.LOCK, booking_id)
            if row["status"] != "PENDING_PAYMENT":
                raise HTTPException(409)
            session = await self._stripe.checkout.sessions.create_async(
                _session_params(row, hotel), {"idempotency_key": f"direct:{booking_id}:session"}
            )
            values = {"session_id": session.id, "booking_id": booking_id}
            await db.execute(text(tables.SESSION), values)
        return {"session_id": session.id, "payment_url": session.url, "status": "created"}

    async def webhook(self, request: Request) -> Json:
        """Handle `checkout.session.completed`, each event once."""
        payload = await request.body()
        try:
            stripe.WebhookSignature.verify_header(
                payload, request.headers.get("stripe-signature"), self._places.webhook_secret, 300
            )
        except stripe.SignatureVerificationError:
            raise HTTPException(400) from None
        event = json.loads(payload)
        if event["type"] != "checkout.session.completed":
            return {"received": True}
        async with self._engine.begin() as db:
            seen = await db.execute(text(tables.SEEN), {"event_id": event["id"]})
            if seen.rowcount == 0:
                return {"received": True}
            row = await self._authorize(db, event["data"]["object"])
        if row is not None:
            await self._tell(row, "PENDING_APPROVAL", "Payment authorized — awaiting hotel confirmation")
        return {"received": True}

    async def _authorize(self, db: AsyncConnection, session: Json) -> Json | None:
        booking_id = session["client_reference_id"]
        row = await _one(db, tables.LOCK, booking_id)
        intent = await self._stripe.payment_intents.retrieve_async(session["payment_intent"])
        if row["status"] != "PENDING_PAYMENT" or intent.status != "requires_capture":
            return None
        await db.execute(text(tables.AUTHORIZED), {"booking_id": booking_id, "intent_id": intent.id})
        return row

    async def approve(self, booking_id: str) -> Json:
        """Capture with the row locked, commit, then notify."""
        async with self._engine.begin() as db:
            row = await _one(db, tables.LOCK, booking_id)
            if row["decision_made_at"] is not None:
                return {"booking_id": booking_id, "status": row["status"], "settled": True}
            if row["status"] != "PENDING_APPROVAL":
                raise HTTPException(409)
            await self._stripe.payment_intents.capture_async(
                row["payment_intent_id"], {}, {"idempotency_key": f"direct:{booking_id}:capture"}
            )
            await db.execute(text(tables.CONFIRMED), {"booking_id": booking_id})
        await self._tell(row, "CONFIRMED", "Booking Confirmed")
        return {"booking_id": booking_id, "status": "CONFIRMED", "settled": True}

    async def look(self, booking_id: str) -> Json:
        """Return the booking."""
        async with self._engine.begin() as db:
            return await _one(db, tables.READ, booking_id)

    async def _tell(self, row: Json, status: str, subject: str) -> None:
        data = {"booking_id": row["booking_id"], "status": status}
        # Pusher's library blocks, so it runs in a thread.
        await asyncio.to_thread(self._pusher.trigger, f"hotel-{row['hotel']}", "booking-updated", data)
        mail = EmailMessage()
        mail["From"], mail["To"] = "bookings@hotel-holds.test", row["guest_email"]
        mail["Subject"] = f"{subject} ({row['booking_id']})"
        mail.set_content(f"{subject}: {row['booking_id']}")
        host, port = self._places.smtp
        await aiosmtplib.send(mail, hostname=host, port=port, start_tls=False)


async def _one(db: AsyncConnection, query: str, booking_id: str) -> Json:
    found = (await db.execute(text(query), {"booking_id": booking_id})).mappings().one_or_none()
    if found is None:
        raise HTTPException(404)
    return dict(found)


def _session_params(row: Json, hotel: str) -> Any:
    page = f"http://127.0.0.1/{row['booking_id']}"
    return {
        "mode": "payment",
        "allowed_payment_method_types": ["card"],
        "client_reference_id": row["booking_id"],
        "success_url": page,
        "cancel_url": page,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": "eur",
                    "unit_amount": row["amount_minor"],
                    "product_data": {"name": hotel},
                },
            }
        ],
        "payment_intent_data": {"capture_method": "manual", "metadata": {"booking_id": row["booking_id"]}},
    }


def create_app(config: DirectConfig) -> FastAPI:
    """Assemble the routes."""
    direct = DirectHandlers(config)
    app = FastAPI(lifespan=direct.life)
    one = _BOOKINGS + "/{booking_id}"
    app.post("/api/public/hotel/room-bookings/stripe-webhook/")(direct.webhook)
    app.post(f"{_BOOKINGS}/", status_code=201)(direct.book)
    app.post(f"{one}/payment/session/")(direct.session)
    app.get(f"{one}/")(direct.look)
    app.post("/api/staff/hotel/{hotel}/room-bookings/{booking_id}/approve/")(direct.approve)
    return app


def pusher_arguments(environment: Json) -> Json:
    """Arguments of Pusher's client, from the environment."""
    return {
        "app_id": environment["PUSHER_APP_ID"],
        "key": environment["PUSHER_KEY"],
        "secret": environment["PUSHER_SECRET"],
        "host": environment["PUSHER_HOST"],
        "port": int(environment["PUSHER_PORT"]),
        "ssl": False,
    }
