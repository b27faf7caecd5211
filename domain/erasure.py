"""When a guest's data may be removed, and the text that replaces it."""

from __future__ import annotations

from typing import Final

from domain.booking import ENDED, Status

FIRST_NAME: Final = "Erased"
LAST_NAME: Final = "guest"
EMAIL: Final = ""
RECIPIENT: Final = "erased"
"""The recipient shown for a mail to an erased guest: mails stay on record, addresses do not."""


def reason_to_keep(status: Status, *, stay_over: bool) -> str | None:
    """Say why the guest's data is still needed; None if it may be erased.

    Args:
        stay_over: whether 00:00 hotel time of the check-out day has passed.
    """
    if status in ENDED or (status is Status.CONFIRMED and stay_over):
        return None
    if status is Status.DRAFT:
        return "it is a draft, which is deleted a day after its creation"
    if status is Status.CONFIRMED:
        return "the stay is not over yet; wait for check-out, or cancel the booking first"
    return f"it is {status}: a payment or a decision is still outstanding"
