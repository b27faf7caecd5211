"""When a guest's data may be removed, and what then stands in its place."""

from __future__ import annotations

from typing import Final

from domain.booking import ENDED, Status

FIRST_NAME: Final = "Erased"
LAST_NAME: Final = "guest"
EMAIL: Final = ""
RECIPIENT: Final = "erased"
"""Where a mail to the guest went: mails stay on record, addresses do not."""


def reason_to_keep(status: Status, *, checked_in: bool) -> str | None:
    """Say why the guest's data is still needed; None where it may go.

    Args:
        checked_in: whether check-in (00:00 hotel time) has begun.
    """
    if status in ENDED or (status is Status.CONFIRMED and checked_in):
        return None
    if status is Status.DRAFT:
        return "it is a draft, which deletes itself a day after it was made"
    if status is Status.CONFIRMED:
        return "the guest has not checked in yet; cancel the booking first"
    return f"it is {status}: somebody still waits for a payment or a decision"
