"""The bodies and queries of requests. Unknown members are refused; an error never echoes its input."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from domain.booking import STAFF_REASON_CODES, ReasonCode
from domain.location import LocationError, read_location

_PEOPLE_LIMIT: Final = 100
_URL_LIMIT: Final = 2000
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()./-]{3,38}")
_LINE_ENDS: Final = frozenset("\r\n\t")
# Controls, lone surrogates, line and paragraph separators: stored text needs none of them, and they would reach mail
# headers and calendar files.
_UNWANTED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
# A name must not change the direction of the text around it, nor hide: no format character is accepted except the
# joiners, which some scripts use in names.
_UNWANTED_IN_NAMES: Final = _UNWANTED | {"Cf"}
_JOINERS: Final = frozenset("\u200c\u200d")
_VISIBLE: Final = frozenset("LNPS")
# Letters and symbols by category that are invisible: Hangul fillers, and Braille's blank.
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_LINK: Final = re.compile(r"://|www\.|@")


def composed(value: Any) -> Any:
    """Return text in its stored and compared form (NFC); anything else as it is.

    Keyboards and file systems differ in whether they send é as one character or as two.
    """
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _has_unwanted(
    text: str, allowed: frozenset[str] = frozenset(), unwanted: frozenset[str] = _UNWANTED
) -> bool:
    return any(unicodedata.category(letter) in unwanted and letter not in allowed for letter in text)


def _one_line(text: str) -> str:
    if _has_unwanted(text):
        raise PydanticCustomError("control_characters", "must not contain control characters")
    return text


def _name(text: str) -> str:
    """Check a person's name. E-mails contain it, and a link in it would seem to come from the hotel."""
    if _has_unwanted(text, _JOINERS, _UNWANTED_IN_NAMES):
        raise PydanticCustomError("control_characters", "must not contain control or invisible characters")
    letters = [letter for letter in text if letter not in _JOINERS]
    # Normalized as mail programs may read it: full-width letters make a link as well.
    if _LINK.search(unicodedata.normalize("NFKC", "".join(letters)).casefold()):
        raise PydanticCustomError("link_in_name", "must be a name, without a web or e-mail address")
    if not any(unicodedata.category(letter)[0] in _VISIBLE and letter not in _BLANK for letter in letters):
        raise PydanticCustomError("invisible_name", "must contain at least one visible character")
    return text


def _several_lines(text: str | None) -> str | None:
    if text is not None and _has_unwanted(text, _LINE_ENDS):
        raise PydanticCustomError("control_characters", "must not contain control characters")
    # A blank value counts as absent.
    return text or None


def _email(text: str) -> str:
    try:
        # The mail server will find out whether the domain accepts mail.
        found = validate_email(
            text, check_deliverability=False, globally_deliverable=False, allow_smtputf8=False
        )
    except EmailNotValidError:
        # The library's own message quotes the address.
        raise PydanticCustomError("email", "is not an e-mail address") from None
    if "." not in found.domain:
        raise PydanticCustomError("email", "is not an e-mail address")
    return found.ascii_email or found.normalized


def _phone(text: str | None) -> str | None:
    if text and not _PHONE.fullmatch(text):
        raise PydanticCustomError("phone", "is not a telephone number; write it like +353 1 234 5678")
    return text or None


def _location(text: str | None) -> str | None:
    try:
        return str(read_location(text)) if text else None
    except LocationError as error:
        raise PydanticCustomError("location", "is no place on earth: {why}", {"why": str(error)}) from None


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isascii() or not text.isprintable() or " " in text:
        raise PydanticCustomError("web_address", "must be an http:// or https:// address")
    return text


def _iso_date(value: Any) -> Any:
    # Pydantic also accepts Unix times and datetimes at midnight as dates.
    if not isinstance(value, date) and not (isinstance(value, str) and re.fullmatch(_ISO_DATE, value)):
        raise PydanticCustomError("date", "must be a date like 2027-05-31")
    return value


_ISO_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

Day = Annotated[date, BeforeValidator(_iso_date)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_name)]
EmailAddress = Annotated[str, Field(max_length=254), AfterValidator(_email)]
PhoneNumber = Annotated[str, Field(max_length=40), AfterValidator(_phone)]
WebAddress = Annotated[str, Field(max_length=_URL_LIMIT), AfterValidator(_web_address)]
SearchText = Annotated[str, BeforeValidator(composed), Field(max_length=100), AfterValidator(_one_line)]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _composed(cls, members: Any) -> Any:
        if not isinstance(members, dict):
            return members
        return {name: composed(value) for name, value in members.items()}


class GuestIn(_Input):
    """A booking's guest."""

    first_name: Name = Field(examples=["Aoife"])
    last_name: Name = Field(examples=["Brennan"])
    email: EmailAddress = Field(examples=["aoife@example.com"])
    phone: PhoneNumber | None = Field(None, examples=["+353 1 234 5678"])


class NewBooking(_Input):
    """A booking to be created. It has no price: the hotel sets that."""

    room_type: Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_one_line)] = Field(
        description="The room type's code.", examples=["double"]
    )
    check_in: Day = Field(description="Today or later, hotel time.", examples=["2027-05-29"])
    check_out: Day = Field(description="1 to 30 nights later.", examples=["2027-05-31"])
    adults: Annotated[int, Field(strict=True, ge=1, le=_PEOPLE_LIMIT)] = Field(examples=[2])
    children: Annotated[int, Field(strict=True, ge=0, le=_PEOPLE_LIMIT)] = 0
    guest: GuestIn
    special_requests: Annotated[str | None, Field(max_length=2000), AfterValidator(_several_lines)] = None
    submit: Annotated[bool, Field(strict=True)] = Field(
        True, description="False makes a draft, kept for a day."
    )


class StayQuery(_Input):
    """A stay to ask about."""

    check_in: Day = Field(description="Today or later, hotel time.", examples=["2027-05-29"])
    check_out: Day = Field(description="1 to 30 nights later.", examples=["2027-05-31"])
    adults: Annotated[int, Field(ge=1, le=_PEOPLE_LIMIT)] = 1
    children: Annotated[int, Field(ge=0, le=_PEOPLE_LIMIT)] = 0


class ContactIn(_Input):
    """A hotel's contact for guests; None for a channel it does not offer."""

    contact_email: EmailAddress | None = None
    contact_phone: PhoneNumber | None = None
    address: Annotated[str | None, Field(max_length=500), AfterValidator(_several_lines)] = None
    directions: Annotated[str | None, Field(max_length=1000), AfterValidator(_several_lines)] = None
    location: Annotated[str | None, Field(max_length=60), AfterValidator(_location)] = None


class SessionIn(_Input):
    """The return addresses of the payment page; by default the booking's status page."""

    success_url: WebAddress | None = Field(
        None, description="May contain `{CHECKOUT_SESSION_ID}`, which Stripe replaces."
    )
    cancel_url: WebAddress | None = None


def _staff_reason(code: ReasonCode) -> ReasonCode:
    if code not in STAFF_REASON_CODES:
        raise PydanticCustomError("reason_code", "is the system's own; choose one of the hotel's")
    return code


class DeclineIn(_Input):
    """The reason for declining a booking."""

    reason_code: Annotated[ReasonCode, AfterValidator(_staff_reason)] = Field(
        ReasonCode.OTHER, description=", ".join(sorted(STAFF_REASON_CODES))
    )
    reason_note: Annotated[str | None, Field(max_length=1000), AfterValidator(_several_lines)] = Field(
        None, description="The guest reads it."
    )


class CancelIn(_Input):
    """A manager's cancellation of a confirmed booking."""

    refund_amount: Annotated[str, Field(max_length=20)] | None = Field(
        None,
        description="The total refund: at least the policy's, by default everything.",
        examples=["150.00"],
    )
    reason_note: Annotated[str | None, Field(max_length=1000), AfterValidator(_several_lines)] = Field(
        None, description="The guest reads it."
    )


class ChannelIn(_Input):
    """A subscription to a private realtime channel, in the format of Pusher's clients."""

    socket_id: Annotated[str, Field(max_length=100, pattern=r"^[0-9]+\.[0-9]+$")] = Field(
        examples=["1234.5678"]
    )
    channel_name: Annotated[str, Field(max_length=200, pattern=r"^[-a-zA-Z0-9_=@,.;]+$")] = Field(
        examples=["private-staff-hotel-killarney"]
    )
