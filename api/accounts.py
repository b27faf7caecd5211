"""Staff accounts: their addresses and passwords."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from email_validator import EmailNotValidError, validate_email

from domain.accounts import comparable_password

# Each check takes 64 MiB for a while: more at once would let a flood of log-ins take all memory.
_AT_ONCE: Final = 4
_LONGEST: Final = 1024


def staff_address(text: str) -> str:
    """A staff address in its stored form, lower case: log-ins ignore the case.

    Raises:
        ValueError: no e-mail address; the text says what is wrong with it.
    """
    try:
        # The demo's staff have addresses under .test, which receives no mail; the hotel may choose that.
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    return found.normalized.lower()


class Passwords:
    """Checks passwords off the event loop, a few at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._nobodys_hash = self._hasher.hash(secrets.token_hex())
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def match(self, password_hash: str | None, password: str) -> bool:
        """Say whether `password` belongs to the hash.

        Args:
            password_hash: None where there is no such account; the check then takes as long and fails, so
                that the response time does not reveal which accounts exist.
        """
        async with self._turns:
            matches = await asyncio.to_thread(
                self._matches, password_hash or self._nobodys_hash, comparable_password(password[:_LONGEST])
            )
        return matches and password_hash is not None

    async def hash(self, password: str) -> str:
        """Hash a new password for storage."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password.encode(errors="replace"))

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            # A form may contain lone surrogates, which no password has.
            return self._hasher.verify(password_hash, password.encode(errors="replace"))
        except (Argon2Error, InvalidHashError):
            return False
