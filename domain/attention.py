"""What a person can do about a booking that needs one. The table in docs/runbook.md says the same at more length."""

from __future__ import annotations

from typing import Final

# By what the reason begins with. `{retry}` and `{resolve}` stand for the reader's own way to do so.
_ABOUT: Final = (
    (
        ("Stripe: HTTP 401", "Stripe: HTTP 403"),
        "Our key is wrong or may not do this: mend STRIPE_SECRET_KEY, restart the workers, then {retry}.",
    ),
    (
        ("Stripe: HTTP 4",),
        "Stripe refuses this step: look the payment up in the Stripe Dashboard, settle it there, then "
        "{resolve}.",
    ),
    (("Stripe: ", "no answer in time"), "Stripe was away until the time was over: {retry}."),
    (
        ("The hold is still there",),
        "It is too late to capture: cancel the hold in the Stripe Dashboard, then {resolve}.",
    ),
    (("The refund did not go through",), "Refund in the Stripe Dashboard or by other means, then {resolve}."),
    (("A payment with the wrong amount",), "The money went back; {resolve} takes the flag down."),
    (("The e-mail",), "Mend the address or the mail server; {retry} sends it again."),
)
_OTHERWISE: Final = "Look the payment up in the Stripe Dashboard, then {retry} or {resolve}."


def advice(reason: str, *, retry: str, resolve: str) -> str:
    """Say what to do next.

    Args:
        reason: why the booking needs a person, as its workflow wrote it.
        retry, resolve: what the reader knows these two by: a command, a button.
    """
    found = next((text for starts, text in _ABOUT if reason.startswith(starts)), _OTHERWISE)
    return found.format(retry=retry, resolve=resolve)
