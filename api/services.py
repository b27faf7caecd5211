"""The shared parts of all routes. `api/app.py` builds them; routes take them as `Api`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Final

import pusher
from fastapi import Depends, Request
from temporalio.client import Client

from api.accounts import Passwords
from api.crowds import PLACES_PER_BOOKING, Places, SharedQuestions
from api.limits import Limiter
from api.metrics import Metrics
from domain.messages.answers import WorkflowSnapshot
from storage.database import Database

GUESTS_AT_ONCE: Final = 12


@dataclass(frozen=True)
class Services:
    """Clients and configuration of one application.

    Args:
        temporal: connects on first use.
        temporal_ui_url: for the links of staff; None without a Temporal UI.
        stripe_livemode: whether payments are in Stripe's live mode.
        authorization_margin_s, payment_poll_s: terms that every booking is submitted with.
        login_failures_per_min: per account and client; three times that per client.
        sessions_per_min: per booking.
        verifications_per_min: payment checks per client, and checks that reach Stripe per booking.
        bookings_per_hour: per client; a third of that per guest's e-mail address.
        resets_per_hour: password resets per e-mail address; three times that per client.
        links_per_hour: links to a booking sent again, in the same way.
        submitting, opening_sessions, checking_payments: admit this many guests at once to wait for each, in the order
            of their arrival.
        session_places, payment_checks: keep the callers of one booking from blocking others.
        client_places: keep the bookings of one client from taking all the places.
        hold_turns: let the events about one hold be kept one after the other.
    """

    database: Database
    temporal: Client
    temporal_ui_url: str | None
    task_queue: str
    pusher: pusher.Pusher
    passwords: Passwords
    metrics: Metrics
    auth_secret: str
    public_base_url: str
    stripe_webhook_secrets: tuple[str, ...]
    stripe_livemode: bool
    authorization_margin_s: int
    payment_poll_s: int
    login_failures_per_min: int
    sessions_per_min: int
    verifications_per_min: int
    bookings_per_hour: int
    resets_per_hour: int
    links_per_hour: int
    limiter: Limiter = field(default_factory=Limiter)
    submitting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(GUESTS_AT_ONCE))
    opening_sessions: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(GUESTS_AT_ONCE))
    checking_payments: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(GUESTS_AT_ONCE))
    session_places: Places = field(default_factory=lambda: Places(PLACES_PER_BOOKING))
    client_places: Places = field(default_factory=lambda: Places(GUESTS_AT_ONCE // 2))
    hold_turns: Places = field(default_factory=lambda: Places(1))
    payment_checks: SharedQuestions[WorkflowSnapshot] = field(default_factory=SharedQuestions)


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Api = Annotated[Services, Depends(_services)]
