"""Checks the credentials and permissions at Stripe, Pusher and the mail server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiosmtplib
import pusher
import stripe
from pusher.errors import PusherBadAuth, PusherForbidden

from api.webhooks import WEBHOOK_PATH
from domain.stripe_events import KNOWN
from management.check_results import CheckFailedError, PartCheck
from management.tools import Tools

_PATIENCE_S: Final = 10
_NO_SUCH: Final = "pi_check_of_the_configuration"
_KEY_ADVICE: Final = "Correct STRIPE_SECRET_KEY: the Dashboard shows it under Developers, API keys."


def stripe_checks(client: stripe.StripeClient, tools: Tools) -> list[PartCheck]:
    """The checks of Stripe."""
    asks: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("Stripe key", lambda: _key(client, tools)),
        ("Stripe permissions", lambda: _permissions(client)),
        ("Stripe webhook endpoint", lambda: _webhook_endpoint(client, tools)),
    ]
    return [PartCheck(part, ask, "STRIPE_API_BASE, if it is set") for part, ask in asks]


async def _key(client: stripe.StripeClient, tools: Tools) -> str:
    settings = tools.settings
    mode = "live" if settings.stripe_livemode else "test"
    if settings.stripe_livemode and settings.stripe_api_base:
        advice = "Unset STRIPE_API_BASE: it names a stand-in, which must not get a live key."
        raise CheckFailedError(f"a live key goes to {settings.stripe_api_base}", advice)
    try:
        balance = await client.v1.balance.retrieve_async()
    except stripe.AuthenticationError:
        raise CheckFailedError("Stripe does not know this key", _KEY_ADVICE) from None
    except stripe.PermissionError:
        return f"{mode} mode, restricted"
    if balance.livemode is not settings.stripe_livemode:
        raise CheckFailedError(f"the key says {mode} mode, and Stripe the other one", _KEY_ADVICE)
    return f"{mode} mode"


async def _permissions(client: stripe.StripeClient) -> str:
    """Try every request the product makes. Writes name a payment that does not exist, or lack parameters."""
    v1 = client.v1
    steps: dict[str, Callable[[], Awaitable[Any]]] = {
        "read Checkout sessions": lambda: v1.checkout.sessions.list_async({"limit": 1}),
        "read PaymentIntents": lambda: v1.payment_intents.list_async({"limit": 1}),
        "read charges": lambda: v1.charges.list_async({"limit": 1}),
        "read balance transactions": lambda: v1.balance_transactions.list_async({"limit": 1}),
        "read disputes": lambda: v1.disputes.list_async({"limit": 1}),
        "read refunds": lambda: v1.refunds.list_async({"limit": 1}),
        "read events": lambda: v1.events.list_async({"limit": 1}),
        "write Checkout sessions": lambda: v1.checkout.sessions.create_async({}),
        "write PaymentIntents": lambda: v1.payment_intents.capture_async(_NO_SUCH),
        "write refunds": lambda: v1.refunds.create_async({"payment_intent": _NO_SUCH}),
    }
    lacking = [what for what, step in steps.items() if not await _is_allowed(step)]
    if lacking:
        advice = "Give the restricted key these permissions in the Dashboard, or take another key."
        raise CheckFailedError(f"the key may not {', '.join(lacking)}", advice)
    return "all that is needed"


async def _is_allowed(step: Callable[[], Awaitable[Any]]) -> bool:
    try:
        await step()
    except stripe.PermissionError:
        return False
    except stripe.AuthenticationError:
        raise CheckFailedError("Stripe does not know this key", _KEY_ADVICE) from None
    except stripe.InvalidRequestError:
        # Stripe looked for the object, so the permission is there.
        return True
    return True


async def _webhook_endpoint(client: stripe.StripeClient, tools: Tools) -> str:
    url = tools.settings.public_base_url + WEBHOOK_PATH
    try:
        page = await client.v1.webhook_endpoints.list_async({"limit": 100})
        endpoints = [endpoint async for endpoint in page.auto_paging_iter() if endpoint.url == url]
    except stripe.PermissionError:
        return "not looked at: the key may not read webhook endpoints"
    except stripe.AuthenticationError:
        raise CheckFailedError("Stripe does not know this key", _KEY_ADVICE) from None
    if not any(endpoint.status == "enabled" for endpoint in endpoints):
        advice = "Add it in the Dashboard under Developers, Webhooks, with the events of docs/deployment.md."
        raise CheckFailedError(f"no enabled endpoint {url}", advice)
    sent = {event for endpoint in endpoints for event in endpoint.enabled_events}
    missing = sorted(KNOWN - sent) if "*" not in sent else []
    if missing:
        advice = f"Add to the endpoint's events: {', '.join(missing)}."
        raise CheckFailedError(f"{len(missing)} events are not sent", advice)
    return url


async def ask_pusher(tools: Tools) -> str:
    """List the app's channels, which needs the right app, key and secret."""
    settings = tools.settings
    client = pusher.Pusher(**settings.pusher_arguments, timeout=_PATIENCE_S)
    try:
        await asyncio.to_thread(client.channels_info)
    except (PusherBadAuth, PusherForbidden):
        advice = "Correct PUSHER_APP_ID, PUSHER_KEY, PUSHER_SECRET and PUSHER_CLUSTER: see the app's page."
        raise CheckFailedError("Pusher refuses these credentials", advice) from None
    return f"app {settings.pusher_app_id}"


async def ask_smtp(tools: Tools) -> str:
    """Connect to the mail server, encrypt and log in as configured."""
    settings = tools.settings
    server = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        start_tls=settings.smtp_starttls,
        timeout=_PATIENCE_S,
    )
    async with server:
        if settings.smtp_username and settings.smtp_password:
            try:
                await server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
            except aiosmtplib.SMTPAuthenticationError as error:
                advice = "Correct SMTP_USERNAME and SMTP_PASSWORD."
                raise CheckFailedError(f"the log-in is refused: {error.code}", advice) from None
            return "greets, and takes the log-in"
        await server.ehlo()
    return "greets; no log-in is set"
