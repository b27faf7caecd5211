"""Identifiers that look like Stripe's."""

from __future__ import annotations

import secrets
import string
from typing import Final

_ALPHABET: Final = (string.ascii_letters + string.digits).encode()
# Maps any byte to a letter or digit. The distribution is slightly uneven, which does not matter here.
_LEGIBLE: Final = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_LENGTHS: Final = {"cs_test": 58, "req": 14}


def new_id(prefix: str) -> str:
    """Return a fresh id such as `pi_…`: the prefix, an underscore, and letters and digits."""
    return f"{prefix}_{secrets.token_bytes(_LENGTHS.get(prefix, 24)).translate(_LEGIBLE).decode()}"
