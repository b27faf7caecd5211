"""Steps on money at Stripe, as faults name them, and the refusal after which a booking needs attention."""

from __future__ import annotations

from typing import Final

from tests.workflows.harness import WorkflowHarness

CAPTURE: Final = "POST /v1/payment_intents/*/capture"
CANCEL: Final = "POST /v1/payment_intents/*/cancel"
EXPIRE: Final = "POST /v1/checkout/sessions/*/expire"
READ_PAGE: Final = "GET /v1/checkout/sessions/*"
REFUND: Final = "POST /v1/refunds"


async def refuse(harness: WorkflowHarness, match: str, times: int | None = 1, *, status: int = 400) -> None:
    """Let Stripe refuse a step with an unknown error.

    Args:
        times: None: until it is healed.
        status: 402 is stored under the step's key, and replayed for a day.
    """
    await harness.stripe.order(match, "error_before", status=status, code="sandbox_refused", times=times)
