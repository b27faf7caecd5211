"""A workflow's requests to Stripe. `domain.payment` has the answer to most of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.timestamps import EPOCH


@dataclass(frozen=True)
class OpenSession:
    """Open a Checkout session. All parameters are fixed across retries; keys as in `MoneyStep`."""

    booking_id: str = ""
    run_id: str = ""
    generation: int = 1
    amount_minor: int = 0
    currency: str = "EUR"
    expires_at: datetime = EPOCH
    return_to: int | None = None


@dataclass(frozen=True)
class CheckoutSession:
    """An opened session. Its address opens the payment page and is kept only in the database."""

    session_id: str = ""
    expires_at: datetime = EPOCH


@dataclass(frozen=True)
class PaymentQuestion:
    """Read a session or a PaymentIntent; the latter takes precedence if both are known.

    Args:
        about_dispute: an event tells of a dispute, whose details are to be stored.
    """

    booking_id: str = ""
    session_id: str | None = None
    payment_intent_id: str | None = None
    amount_minor: int = 0
    currency: str = "EUR"
    about_dispute: bool = False


@dataclass(frozen=True)
class ExpireSession:
    """Close a Checkout session, unless the guest completed it first; keys as in `MoneyStep`."""

    booking_id: str = ""
    session_id: str = ""
    run_id: str = ""
    generation: int = 1
    amount_minor: int = 0
    currency: str = "EUR"


@dataclass(frozen=True)
class MoneyStep:
    """Capture, release or refund a PaymentIntent.

    Args:
        run_id: the workflow run that asks. Part of the idempotency key, so that Stripe never replays another run's
            answer to it.
        generation: part of the idempotency key. Raised only after Stripe answered an error that it will
            replay for a day, and reading the PaymentIntent showed that nothing had been done.
        amount_minor: the amount to capture, or the total of all refunds afterwards, in the smallest unit of the
            payment's own currency, which may differ from the booking's; ignored by a release.
        suspects_fraud: of a release, the hotel declined because it suspects fraud.
    """

    booking_id: str = ""
    payment_intent_id: str = ""
    run_id: str = ""
    generation: int = 1
    amount_minor: int = 0
    currency: str = "EUR"
    suspects_fraud: bool = False
