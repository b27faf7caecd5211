"""The meaning of Stripe's errors for a retry.

    stripe_unanswered   timeout or cut connection: the effect is unknown. Same key again.
    stripe_busy         429, a lock, or the same key in flight. Same key again, later.
    stripe_failed       Stripe answered 5xx, and replays that answer for a day under this key. Read back; if
    nothing was done, continue under a new generation of the key.
    stripe_unknown      404: Stripe has no such payment or session. Final.
    stripe_refused      the request is wrong or not allowed. Final; needs attention.
    stripe_key_rejected 401 or 403: our API key is wrong or lacks a permission. Final.

Stripe's texts may quote a card or an e-mail address, and an activity's errors enter histories and logs. Errors
therefore carry codes only, and no cause.

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
UNKNOWN: Final = "stripe_unknown"
REFUSED: Final = "stripe_refused"
KEY_REJECTED: Final = "stripe_key_rejected"

FINAL: Final = frozenset({UNKNOWN, REFUSED, KEY_REJECTED})
"""Kinds that no retry changes."""

_NOT_FOUND: Final = 404


@contextmanager
def translated_errors(*, write: bool) -> Iterator[None]:
    """Translate Stripe's errors into application errors that say whether to retry.

    Args:
        write: the request carries an idempotency key, so an answered 5xx is replayed under it.
    """
    try:
        yield
    except stripe.APIConnectionError as error:
        raise _application_error(UNANSWERED, error) from None
    except (stripe.IdempotencyError, stripe.CardError) as error:
        raise _application_error(REFUSED, error, final=True) from None
    except stripe.RateLimitError as error:
        raise _application_error(BUSY, error) from None
    except stripe.StripeError as error:
        raise _by_http_status(error, write=write) from None


def _by_http_status(error: stripe.StripeError, *, write: bool) -> ApplicationError:
    status = error.http_status or 0
    if status == _NOT_FOUND:
        return _application_error(UNKNOWN, error, final=True)
    if status in {409, 429}:
        return _application_error(BUSY, error)
    if status in {401, 403}:
        return _application_error(KEY_REJECTED, error, final=True)
    if 400 <= status < 500:
        return _application_error(REFUSED, error, final=True)
    return _application_error(FAILED, error, final=write)


def _application_error(kind: str, error: stripe.StripeError, *, final: bool = False) -> ApplicationError:
    code = error.code or (error.error.code if error.error else None) or "no code"
    text = f"Stripe: HTTP {error.http_status or 'none'}, {code}, request {error.request_id or 'unknown'}"
    return ApplicationError(text, type=kind, non_retryable=final)
