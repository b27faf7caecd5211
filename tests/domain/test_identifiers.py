"""Identifiers: unguessable booking ids, tokens compared safely, names that other systems accept."""

from __future__ import annotations

import math
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import identifiers
from domain.booking import MailKind
from domain.identifiers import ALPHABET, access_token, is_access_token, new_booking_id, new_command_id

SECRET = "an-auth-secret-of-thirty-two-letters"
OTHER_SECRET = "another-secret-of-thirty-two-letters"
BOOKING_ID = "BK-7Q2M9-XKD4T-ZRW3H"
LONGEST_SLUG = "h" * 60
SHOWN = re.compile(r"BK-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}")


def test_booking_ids_hold_enough_chance() -> None:
    """At least 64 random bits, each letter of the alphabet as likely as the others."""
    letters = new_booking_id().removeprefix("BK-").replace("-", "")
    assert len(letters) * math.log2(len(ALPHABET)) >= 64
    assert len(set(ALPHABET)) == len(ALPHABET) == 32


def test_booking_ids_can_be_read_out() -> None:
    """Capitals and digits that cannot be taken for one another; every one of them occurs."""
    made = [new_booking_id() for _ in range(2000)]
    assert all(SHOWN.fullmatch(id_) for id_ in made)
    assert set("".join(made)) - set("BK-") | set("BK") == set(ALPHABET)
    assert not set(ALPHABET) & set("ILOU")
    assert set(ALPHABET) <= set(string.ascii_uppercase + string.digits)


def test_ids_do_not_repeat() -> None:
    """Neither bookings' nor commands'."""
    assert len({new_booking_id() for _ in range(2000)}) == 2000
    assert len({new_command_id() for _ in range(2000)}) == 2000


def test_command_ids() -> None:
    """96 random bits, in the length their column has."""
    assert re.fullmatch(r"cmd_[0-9a-f]{24}", new_command_id())


def test_a_token_opens_its_own_booking_only() -> None:
    """The same every time, and another one for another booking or under another secret."""
    token = access_token(SECRET, BOOKING_ID)
    assert token == access_token(SECRET, BOOKING_ID)
    assert re.fullmatch(r"[-_A-Za-z0-9]{43}", token), "256 bits, safe in an address"
    assert is_access_token(SECRET, BOOKING_ID, token)
    assert not is_access_token(SECRET, "BK-7Q2M9-XKD4T-ZRW3J", token)
    assert not is_access_token(OTHER_SECRET, BOOKING_ID, token)
    assert BOOKING_ID not in token


def test_a_token_is_bound_to_this_purpose() -> None:
    """The bare HMAC of a booking id, as another use of the secret might make one, opens nothing."""
    import hashlib
    import hmac
    from base64 import urlsafe_b64encode

    bare = hmac.new(SECRET.encode(), BOOKING_ID.encode(), hashlib.sha256).digest()
    assert not is_access_token(SECRET, BOOKING_ID, urlsafe_b64encode(bare).rstrip(b"=").decode())


@pytest.mark.parametrize(
    "change", [str.lower, str.upper, str.title, "{} ".format, " {}".format, "{}=".format]
)
def test_a_token_is_compared_to_the_letter(change: object) -> None:
    """Neither case nor space nor padding is forgiven."""
    assert callable(change)
    assert not is_access_token(SECRET, BOOKING_ID, change(access_token(SECRET, BOOKING_ID)))


@given(
    st.text(st.characters(), max_size=60) | st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3)
)
def test_whatever_is_sent_is_compared(token: str) -> None:
    """Any text can be sent, half of a surrogate pair too; nothing is right by chance, nothing fails."""
    assert not is_access_token(SECRET, BOOKING_ID, token)


def test_status_page() -> None:
    """Under the public address, with the guest's token."""
    page = identifiers.status_page("https://hotels.test", SECRET, BOOKING_ID)
    assert page == f"https://hotels.test/bookings/{BOOKING_ID}/?token={access_token(SECRET, BOOKING_ID)}"


def test_names_other_systems_know() -> None:
    """Part of the contract: the workflow's id and the channels."""
    assert identifiers.workflow_id(BOOKING_ID) == f"booking-{BOOKING_ID}"
    assert identifiers.hotel_channel("kyoto-inn") == "hotel-kyoto-inn"
    assert identifiers.booking_channel(BOOKING_ID) == f"private-booking-{BOOKING_ID}"
    assert identifiers.staff_channel("kyoto-inn") == "private-staff-kyoto-inn"
    assert (
        identifiers.ended_booking_payment_workflow_id("pi_1", "evt_2") == "ended-booking-payment-pi_1-evt_2"
    )


def test_channels_are_such_as_pusher_takes() -> None:
    """https://pusher.com/docs/channels/using_channels/channels/#channel-naming-conventions"""
    channels = [
        identifiers.hotel_channel(LONGEST_SLUG),
        identifiers.staff_channel(LONGEST_SLUG),
        identifiers.booking_channel(new_booking_id()),
    ]
    assert all(re.fullmatch(r"[-a-zA-Z0-9_=@,.;]{1,200}", channel) for channel in channels)


def test_mail_kinds_fit_a_message_id() -> None:
    """RFC 5322 allows letters, digits and a few signs left of the @."""
    assert all(re.fullmatch(r"[a-z_]+", kind) for kind in MailKind)
