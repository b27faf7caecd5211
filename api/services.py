"""What routes work with. `api/app.py` builds it; routes ask for it as `Api`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pusher
from fastapi import Depends, Request
from temporalio.client import Client

from api.metrics import Metrics
from api.passwords import Passwords
from storage.database import Database


@dataclass(frozen=True)
class Services:
    """Clients and configuration of one application.

    Args:
        temporal: connects on first use.
        authorization_margin_s, payment_poll_s: terms that every booking is submitted with.
        login_failures_per_min: per account and address.
        sessions_per_min: per booking.
    """

    database: Database
    temporal: Client
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


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Api = Annotated[Services, Depends(_services)]
