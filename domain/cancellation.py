"""The refund of a guest who cancels a confirmed booking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from domain.booking import ActorKind
from domain.deadlines import local_hour, midnight
from domain.money import Money

_NUMBERS: Final = MappingProxyType(dict(enumerate("two three four five six seven eight nine ten".split(), 2)))


@dataclass(frozen=True)
class CancellationTerms:
    """A hotel's policy, applied to one stay.

    Args:
        free_until: end of free cancellation; this instant is not part of it.
        late_cancel_fee_percent: share of the total kept from then on, 0–100.
    """

    free_until: datetime
    late_cancel_fee_percent: int

    def refund(self, total: Money, at: datetime) -> Money:
        """The refund for a guest who cancels a captured booking of this total at this time."""
        return total if at < self.free_until else total.minus(self.late_fee(total))

    def refund_asked_by(
        self, actor: ActorKind, total: Money, at: datetime, chosen_minor: int | None
    ) -> Money:
        """The total refund: by the policy for a guest; as chosen by a manager, and by default everything.

        Args:
            chosen_minor: a manager's choice in the smallest unit; never less than the policy gives.
        """
        least = self.refund(total, at)
        if actor is ActorKind.GUEST:
            return least
        chosen = total.minor if chosen_minor is None else chosen_minor
        return Money(min(max(chosen, least.minor), total.minor), total.currency)

    def late_fee(self, total: Money) -> Money:
        """The part of this total that the hotel keeps from `free_until` on."""
        return total.percent(self.late_cancel_fee_percent)


@dataclass(frozen=True)
class CancellationPolicy:
    """A hotel's policy, as it stood when the booking was made.

    Args:
        free_cancel_days: free of charge until this many days before check-in; 0 for until the stay starts.
        late_cancel_fee_percent: share of the total kept after that, 0–100.
    """

    free_cancel_days: int
    late_cancel_fee_percent: int

    def free_until(self, check_in: date, check_in_hour: int, timezone: str) -> datetime:
        """The end of free cancellation: midnight at the hotel, that many days before check-in, or the stay's start."""
        if self.free_cancel_days == 0:
            return local_hour(check_in, check_in_hour, timezone)
        return midnight(check_in - timedelta(days=self.free_cancel_days), timezone)

    def for_stay(self, check_in: date, check_in_hour: int, timezone: str) -> CancellationTerms:
        """Apply the policy to a stay that begins on this day, by the hotel's clock."""
        return CancellationTerms(
            self.free_until(check_in, check_in_hour, timezone), self.late_cancel_fee_percent
        )

    @property
    def has_fee(self) -> bool:
        """Whether cancelling can ever cost anything."""
        # From the stay's start on no guest can cancel: a fee that begins then never applies.
        return self.late_cancel_fee_percent > 0 and self.free_cancel_days > 0

    def in_words(self) -> str:
        """The policy as a guest reads it before paying."""
        if not self.has_fee:
            return "Cancel free of charge until check-in."
        count = self.free_cancel_days
        days = "one day" if count == 1 else f"{_NUMBERS.get(count, count)} days"
        percent = self.late_cancel_fee_percent
        fee = "the full amount" if percent == 100 else f"{percent}% of the total"
        return (
            f"Cancel free of charge until 00:00 (hotel time) {days} before check-in; "
            f"after that the hotel keeps {fee}."
        )
