"""The bounds of a hotel's terms, for operators' commands and managers' forms alike."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from domain.errors import DomainError


class TermsError(DomainError):
    """A term lies outside its bounds; `term` names it."""

    def __init__(self, term: str, message: str) -> None:
        super().__init__(message)
        self.term = term


@dataclass(frozen=True)
class Bounds:
    """The smallest and largest value of a term, both allowed."""

    least: int
    most: int


_LONGEST_S: Final = 30 * 86_400

BOUNDS: Final = MappingProxyType(
    {
        "check_in_hour": Bounds(0, 23),
        "check_out_hour": Bounds(0, 23),
        "approval_sla_s": Bounds(1, _LONGEST_S),
        "payment_window_s": Bounds(1, _LONGEST_S),
        "cutoff_days_before": Bounds(0, 365),
        "cutoff_hour": Bounds(0, 24),
        "free_cancel_days": Bounds(0, 365),
        "late_cancel_fee_percent": Bounds(0, 100),
    }
)
"""By the names of the hotel's columns; seconds, days, an hour of the day, per cent."""


@dataclass(frozen=True)
class HotelTerms:
    """A hotel's promises and conditions.

    Args:
        check_in_hour: the hour, hotel time, at which a stay starts on the day of check-in.
        check_out_hour: the hour, hotel time, by which guests leave on the day of check-out.
        approval_sla_s: seconds from the hold in which the hotel answers.
        payment_window_s: seconds from submission in which guests may pay.
        cutoff_days_before: days before check-in by which the hotel has decided.
        cutoff_hour: the hour of that day, hotel time; 24 is the next midnight.
        free_cancel_days: cancellation is free until so many days before check-in; 0 for until the stay starts.
        late_cancel_fee_percent: share of the total kept after that.

    Raises:
        TermsError: a term outside its bounds.
    """

    check_in_hour: int
    check_out_hour: int
    approval_sla_s: int
    payment_window_s: int
    cutoff_days_before: int
    cutoff_hour: int
    free_cancel_days: int
    late_cancel_fee_percent: int

    def __post_init__(self) -> None:
        for term in BOUNDS:
            check_term(term, getattr(self, term))


def check_term(term: str, value: int) -> None:
    """Refuse a value outside its term's bounds.

    Raises:
        TermsError: it is.
    """
    bounds = BOUNDS[term]
    if not bounds.least <= value <= bounds.most:
        raise TermsError(term, f"must be between {bounds.least} and {bounds.most}")
