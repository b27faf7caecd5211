"""The Stripe client, and what its errors mean for a retry.

    stripe_unanswered   timeout or cut connection: the effect is unknown. Same key again.
    stripe_busy         429, a lock, or the same key in flight. Same key again, later.
    stripe_failed       Stripe answered 5xx, and will replay that answer for a day under this key. Read back,
                        and only if nothing was done go on under a new generation of the key.
    stripe_refused      the request is wrong, or not allowed: final, a person has to look.

https://docs.stripe.com/error-low-level
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import stripe
from temporalio.exceptions import ApplicationError

UNANSWERED: Final = "stripe_unanswered"
BUSY: Final = "stripe_busy"
FAILED: Final = "stripe_failed"
REFUSED: Final = "stripe_refused"

REQUEST_TIMEOUT_S = 6
"""With its one repeat, less than an activity's own time: the activity hears of the timeout and can say so."""


def stripe_client(
    secret_key: str, api_base: str | None, *, connections: stripe.HTTPXClient | None = None
) -> stripe.StripeClient:
    """Build the client all activities share.

    Args:
        secret_key: the account's secret key.
        api_base: another server that speaks Stripe's protocol; None for Stripe itself.
        connections: from `stripe_connections`, for a caller that ends before its process does.
    """
    return stripe.StripeClient(
        secret_key,
        http_client=connections or stripe_connections(),
        # One quick repeat under the same key heals a lost packet; the activity's retries do the rest.
        max_network_retries=1,
        base_addresses={"api": api_base} if api_base else {},
    )


def stripe_connections() -> stripe.HTTPXClient:
    """The connections a client makes; to be closed with `close_async`."""
    return stripe.HTTPXClient(timeout=REQUEST_TIMEOUT_S, allow_sync_methods=False)


@contextmanager
def translated_errors(*, write: bool) -> Iterator[None]:
    """Turn Stripe's errors into application errors that say whether to retry.

    Args:
        write: the request carries an idempotency key, so an answered 5xx is replayed under it.
    """
    try:
        yield
    except stripe.APIConnectionError as error:
        raise _application_error(UNANSWERED, error) from error
    except (stripe.IdempotencyError, stripe.CardError) as error:
        raise _application_error(REFUSED, error, final=True) from error
    except stripe.RateLimitError as error:
        raise _application_error(BUSY, error) from error
    except stripe.StripeError as error:
        raise _by_http_status(error, write=write) from error


def _by_http_status(error: stripe.StripeError, *, write: bool) -> ApplicationError:
    status = error.http_status or 0
    if status in {409, 429}:
        return _application_error(BUSY, error)
    if 400 <= status < 500:
        return _application_error(REFUSED, error, final=True)
    return _application_error(FAILED, error, final=write)


def _application_error(kind: str, error: stripe.StripeError, *, final: bool = False) -> ApplicationError:
    # Stripe's own sentence may name a card or an e-mail address: it must not enter a history.
    code = error.code or (error.error.code if error.error else None) or "no code"
    text = f"Stripe: HTTP {error.http_status or 'none'}, {code}, request {error.request_id or 'unknown'}"
    return ApplicationError(text, type=kind, non_retryable=final)
