"""E-mails and realtime events that a workflow asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.booking import MailKind, Status
from domain.timestamps import EPOCH


class StaffEvent(StrEnum):
    """Realtime events only staff receive."""

    BOOKING_REQUESTED = "booking-requested"
    DEADLINE_NEAR = "booking-deadline-near"


@dataclass(frozen=True)
class Publication:
    """A realtime event about one version of a booking."""

    booking_id: str = ""
    hotel_slug: str = ""
    status: Status = Status.DRAFT
    version: int = 0
    updated_at: datetime = EPOCH
    staff_event: StaffEvent | None = None


@dataclass(frozen=True)
class Mailing:
    """The e-mails to send about one version of a booking.

    Args:
        version: the booking's; for a link that is sent again, how many were sent with this one.
    """

    booking_id: str = ""
    kinds: tuple[MailKind, ...] = ()
    version: int = 0
