"""The messages between the steps of a reconciliation run, by Schedule or by an operator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.timestamps import EPOCH

LOOK_BACK_DAYS: Final = 7
"""How long after its end a booking is still compared, unless a run is asked for a longer time."""
LOOK_BACK_LONGEST_DAYS: Final = 365


class StartedBy(StrEnum):
    """The starter of a reconciliation run."""

    SCHEDULE = "schedule"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Plan:
    """A reconciliation run.

    Args:
        run_id: identifies the run; a repeated step under the same id adds nothing.
        started_at: the run's own clock, so that a repeat covers the same period.
        since_days: days to look back for ended bookings and Stripe's payments.
        dry_run: report findings without applying remedies.
        after_restore: the database was restored from a backup, so holds of bookings it does not know are released.
    """

    run_id: str = ""
    started_at: datetime = EPOCH
    started_by: StartedBy = StartedBy.SCHEDULE
    since_days: int = LOOK_BACK_DAYS
    dry_run: bool = False
    after_restore: bool = False

    @property
    def since(self) -> datetime:
        """The start of the period for ended bookings and Stripe's payments."""
        return self.started_at - timedelta(days=self.since_days)


@dataclass(frozen=True)
class Batch:
    """A batch of bookings to compare.

    Args:
        after: the row id after which the batch begins; 0 for the first batch, which also handles payments and
        events outside open and recent bookings.
    """

    plan: Plan = Plan()
    after: int = 0


@dataclass(frozen=True)
class BatchResult:
    """The result of a batch. `next_after` is the row id after which the next one begins; None after the last."""

    next_after: int | None = None


@dataclass(frozen=True)
class Tally:
    """The totals of a run."""

    bookings: int = 0
    payments: int = 0
    open_pages: int = 0
    events: int = 0
    healed: int = 0
    planned: int = 0
    left: int = 0
    complete: bool = True

    @property
    def found(self) -> int:
        """The number of findings."""
        return self.healed + self.planned + self.left
