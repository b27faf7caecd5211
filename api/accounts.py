"""Addresses of staff accounts."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email


def staff_address(text: str) -> str:
    """An address as it is kept, in small letters: log-ins ignore the case.

    Raises:
        ValueError: no e-mail address; the text says what is wrong with it.
    """
    try:
        # The demo's staff live under .test, which no mail ever reaches; that is for the hotel to choose.
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    return found.normalized.lower()
