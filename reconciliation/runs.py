"""What travels between a reconciliation's steps, whether a Schedule or an operator has it run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.timestamps import EPOCH

LOOK_BACK_DAYS: Final = 7
"""How long after its end a booking is still compared, unless somebody asks for more."""
LOOK_BACK_LONGEST_DAYS: Final = 365


class StartedBy(StrEnum):
    """Who had a reconciliation run."""

    SCHEDULE = "schedule"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Plan:
    """A reconciliation to run.

    Args:
        run_id: names the run; a repeat of a step under the same name adds nothing.
        started_at: the run's own clock, so that a repeat looks back equally far.
        since_days: how far back ended bookings and Stripe's payments are looked at.
        dry_run: only say what would be done.
    """

    run_id: str = ""
    started_at: datetime = EPOCH
    started_by: StartedBy = StartedBy.SCHEDULE
    since_days: int = LOOK_BACK_DAYS
    dry_run: bool = False

    @property
    def since(self) -> datetime:
        """From when on things are looked at that are over."""
        return self.started_at - timedelta(days=self.since_days)


@dataclass(frozen=True)
class Batch:
    """Compare some bookings.

    Args:
        after: the row id after which they begin; 0 for the first batch, which also sees to what belongs
            to no open or recent booking.
    """

    plan: Plan = Plan()
    after: int = 0


@dataclass(frozen=True)
class BatchResult:
    """A batch was compared. `next_after` is where the next one begins; None: that was the last."""

    next_after: int | None = None


@dataclass(frozen=True)
class Tally:
    """What a run came to."""

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
        """How many disagreements there were."""
        return self.healed + self.planned + self.left
