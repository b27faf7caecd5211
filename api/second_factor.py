"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pyotp
import segno
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.ext.asyncio import AsyncSession

from domain.identifiers import ALPHABET
from storage.account_tables import SecondFactor
from storage.second_factors import use_recovery_code, use_step

log = logging.getLogger("api.second_factor")

_STEP_S: Final = 30
_STEPS_OFF: Final = 1
"""How many steps a phone's clock may be off, either way."""
_RECOVERY_CODES: Final = 10
_RECOVERY_LENGTH: Final = 10  # letters of 5 bits
_SETUP_LASTS_S: Final = 1800


def new_setup(auth_secret: str, staff_id: int) -> str:
    """A new secret for an account, encrypted: the form that sets it up brings it back."""
    return _encrypt(auth_secret, staff_id, pyotp.random_base32())


def secret_of_setup(auth_secret: str, staff_id: int, setup: str) -> str | None:
    """The secret of a form; None if the form is older than half an hour, or another account's."""
    return _decrypt(auth_secret, staff_id, setup, _SETUP_LASTS_S)


def app_address(secret: str, email: str, issuer: str) -> str:
    """The address that an authenticator app reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)


def qr_code(text: str) -> str:
    """A QR code as SVG, without styles and as wide as the page gives it."""
    return segno.make(text, error="m").svg_inline(border=4, light="#fff", omitsize=True)


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is; None if it is no present one."""
    totp, step = pyotp.TOTP(secret), int(now.timestamp()) // _STEP_S
    given = code.replace(" ", "").encode(errors="replace")
    for each in range(step - _STEPS_OFF, step + _STEPS_OFF + 1):
        if hmac.compare_digest(totp.at(each * _STEP_S).encode(), given):
            return each
    return None


async def use_code(
    db: AsyncSession, auth_secret: str, factor: SecondFactor, code: str, now: datetime
) -> bool:
    """Use a code of the app or a recovery code up. Returns whether it counts; each counts once."""
    staff_id = factor.staff_id
    secret = _decrypt(auth_secret, staff_id, factor.encrypted_secret)
    if secret is None:
        log.error("the second factor of account %d cannot be read: AUTH_SECRET has changed", staff_id)
        return False
    step = matching_step(secret, code, now)
    if step is not None:
        return await use_step(db, staff_id, step)
    return await use_recovery_code(db, staff_id, recovery_code_hash(auth_secret, staff_id, code))


def new_recovery_codes() -> Sequence[str]:
    """Ten codes such as `7Q2M9-XKD4T`, for the day the phone is lost."""
    codes = (
        "".join(secrets.choice(ALPHABET) for _ in range(_RECOVERY_LENGTH)) for _ in range(_RECOVERY_CODES)
    )
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def recovery_code_hash(auth_secret: str, staff_id: int, code: str) -> str:
    """The stored form of a recovery code. Keyed: fifty random bits alone could be found by trying all."""
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    about = f"recovery-code:{staff_id}:{plain}".encode(errors="replace")
    return hmac.new(auth_secret.encode(), about, hashlib.sha256).hexdigest()


def _encrypt(auth_secret: str, staff_id: int, secret: str) -> str:
    return _fernet(auth_secret).encrypt(f"{staff_id}:{secret}".encode()).decode()


def _decrypt(auth_secret: str, staff_id: int, encrypted: str, ttl_s: int | None = None) -> str | None:
    try:
        text = _fernet(auth_secret).decrypt(encrypted.encode(errors="replace"), ttl=ttl_s).decode()
    except InvalidToken:
        return None
    owner, _, secret = text.partition(":")
    return secret if owner == str(staff_id) else None


def _fernet(auth_secret: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"second-factor").derive(
        auth_secret.encode()
    )
    return Fernet(urlsafe_b64encode(derived))
