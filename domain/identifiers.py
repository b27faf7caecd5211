"""The ids, tokens and addresses by which other systems know a booking."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import Final

# Crockford's base 32: no I, L, O or U, so that an id can be read out on the telephone.
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS: Final = 3
_GROUP_LENGTH: Final = 5  # 15 letters of 5 bits: 75 random bits


def new_booking_id() -> str:
    """A booking id that cannot be guessed, like `BK-7Q2M9-XKD4T-ZRW3H`."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "BK-" + "-".join(groups)


def is_booking_id(text: str) -> bool:
    """Whether a text has the form of a booking id of this product."""
    prefix, *groups = text.split("-")
    lengths = [len(group) for group in groups]
    return prefix == "BK" and lengths == [_GROUP_LENGTH] * _GROUPS and set("".join(groups)) <= set(ALPHABET)


def new_command_id() -> str:
    """An id for one decision of one person, under which its note is kept."""
    return f"cmd_{secrets.token_hex(12)}"


def access_token(auth_secret: str, booking_id: str) -> str:
    """The guest's bearer token for one booking.

    Derived rather than stored: a repeated creation answers with the same token, an e-mail can carry the
    link again, and a stolen database opens no booking.
    """
    return _derived(auth_secret, f"guest-access:{booking_id}")


def is_access_token(auth_secret: str, booking_id: str, token: str) -> bool:
    """Compare in constant time, for any bytes the caller sends."""
    return _is_same(access_token(auth_secret, booking_id), token)


def page_token(auth_secret: str, booking_id: str) -> str:
    """The value of a browser's cookie for one booking's pages; the API does not accept it."""
    return _derived(auth_secret, f"guest-page:{booking_id}")


def is_page_token(auth_secret: str, booking_id: str, token: str) -> bool:
    """As `is_access_token`."""
    return _is_same(page_token(auth_secret, booking_id), token)


def return_code(auth_secret: str, session_key: str) -> str:
    """The code with which a payment page sends its guest back: it is visible to Stripe and in its Dashboard.

    It cannot be guessed. It is derived, because a repeated request for the same session must be the same.

    Args:
        session_key: the idempotency key the session is opened under.
    """
    return _derived(auth_secret, f"guest-return:{session_key}")


def return_code_hash(code: str) -> str:
    """The stored form of a return code."""
    return hashlib.sha256(code.encode(errors="surrogatepass")).hexdigest()


def account_code(auth_secret: str, link_id: str) -> str:
    """The code in a link to choose a password. Derived: only the hash is stored, and every repeat of a mail has it."""
    return _derived(auth_secret, f"account-link:{link_id}")


def account_code_hash(code: str) -> str:
    """The stored form of such a code."""
    return hashlib.sha256(code.encode(errors="surrogatepass")).hexdigest()


def account_page(public_base_url: str, auth_secret: str, link_id: str) -> str:
    """The page on which the receiver of a link chooses a password."""
    return f"{public_base_url}/staff/set-password/?code={account_code(auth_secret, link_id)}"


def account_mail_workflow_id(link_id: str) -> str:
    """The id of the workflow that sends a link."""
    return f"account-mail-{link_id}"


def _derived(auth_secret: str, subject: str) -> str:
    digest = hmac.new(auth_secret.encode(), subject.encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _is_same(token: str, given: str) -> bool:
    # JSON may hold half of a surrogate pair, which UTF-8 has no bytes for.
    return hmac.compare_digest(token.encode(), given.encode(errors="surrogatepass"))


def status_page(public_base_url: str, auth_secret: str, booking_id: str) -> str:
    """The page on which a guest follows a booking; the address holds the token and is for this guest only."""
    return f"{public_base_url}/bookings/{booking_id}/?token={access_token(auth_secret, booking_id)}"


def return_page(public_base_url: str, booking_id: str, code: str) -> str:
    """The address to which a payment page sends its guest: `code` opens the booking once, and never the API."""
    return f"{public_base_url}/bookings/{booking_id}/?code={code}"


def workflow_id(booking_id: str) -> str:
    """The id of a booking's workflow, as operators type it into the Temporal UI."""
    return f"booking-{booking_id}"


def ended_booking_payment_workflow_id(payment_intent_id: str, event_id: str) -> str:
    """The id of the workflow that handles one event about the money of an ended booking."""
    return f"ended-booking-payment-{payment_intent_id}-{event_id}"


def booking_link_workflow_id(ask_id: str) -> str:
    """The id of the workflow that sends a booking's link again; `ask_id` stands for the request and names nobody."""
    return f"booking-link-{ask_id}"


def payment_in_dashboard(payment_intent_id: str, *, livemode: bool) -> str:
    """The page of a payment in Stripe's Dashboard."""
    mode = "" if livemode else "/test"
    return f"https://dashboard.stripe.com{mode}/payments/{payment_intent_id}"


def workflow_in_ui(temporal_ui_url: str, namespace: str, booking_id: str) -> str:
    """The page of a booking's workflow in the Temporal UI."""
    return f"{temporal_ui_url}/namespaces/{namespace}/workflows/{workflow_id(booking_id)}"


def hotel_channel(hotel_slug: str) -> str:
    """Public realtime channel of a hotel."""
    return f"hotel-{hotel_slug}"


def booking_channel(booking_id: str) -> str:
    """Private realtime channel of a booking, for its guest and the hotel's staff."""
    return f"private-booking-{booking_id}"


def staff_channel(hotel_slug: str) -> str:
    """Private realtime channel of a hotel's staff."""
    return f"private-staff-{hotel_slug}"
