"""Errors of the domain.

DomainError
├── IllegalTransitionError    the transition table has no such row
├── UnsupportedCurrencyError  a currency we refuse to charge in
├── AmountError               an amount that cannot be charged or written
├── DeadlineError             a date or deadline that cannot be met
└── PeriodError               a range of days that cannot be read or counted
"""

from __future__ import annotations


class DomainError(Exception):
    """A rule of the business was broken; the text says how to correct that."""


class IllegalTransitionError(DomainError):
    """An event occurred in a status that the table has no row for."""

    def __init__(self, status: str, event: str) -> None:
        super().__init__(f"no transition from {status} on {event}")
        self.status = status
        self.event = event


class UnsupportedCurrencyError(DomainError):
    """The currency is unknown to us, or has three decimals, which Stripe rounds."""


class AmountError(DomainError):
    """The amount is not positive, too small to charge, or has too many decimals."""


class DeadlineError(DomainError):
    """A stay or deadline is at a time that the product cannot honour."""


class PeriodError(DomainError):
    """A month or range of days cannot be read, or is too long."""
