"""Composes e-mails from bookings, without I/O. Templates are in `templates/email/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Any, Final

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from domain.attention import Attention
from domain.booking import STAFF_MAILS, Decision, Event, MailKind, ReasonCode
from domain.dispute import Dispute
from domain.identifiers import account_page, status_page
from domain.payment_card import PaymentCard
from domain.roles import Role
from emails.calendar import calendar_file
from emails.format import words_for
from emails.mailbox import mailbox_header, one_line, text_header
from emails.mime import Mail, alternatives, with_file
from models import Booking, BookingTimeline, Hotel, RoomType
from storage.account_tables import AccountLink
from storage.tables import ReconciliationFinding
from wording.attention import attention_words, owes_other_refund
from wording.cards import risk_words
from wording.disputes import dispute_lines
from wording.staff import ROLES
from wording.values import instant_in_words

_TEMPLATES = Path(__file__).parents[1] / "templates"
_REPORT: Final = "staff_reconciliation"
_LISTED: Final = 50
"""Findings that one mail lists: with a wrong setting every booking is one."""


@dataclass(frozen=True)
class BookingEmail:
    """The content of one e-mail.

    Args:
        version: the booking's, to which the mail belongs.
        step: the change of that version; None if it is not known.
        rooms_taken: rooms of the type that are claimed or blocked on the fullest night, this booking's included.
        attention: the open reasons why the booking needs attention.
        pending: the decision on the booking that has no outcome yet.
        card: the held card; None if it is not known.
        disputes: those of its payment, newest first.
    """

    kind: MailKind
    version: int
    booking: Booking
    hotel: Hotel
    room_type: RoomType
    step: BookingTimeline | None = None
    rooms_taken: int = 0
    attention: Sequence[Attention] = ()
    pending: Decision | None = None
    card: PaymentCard | None = None
    disputes: Sequence[Dispute] = ()


@dataclass(frozen=True)
class ReconciliationReport:
    """The findings a reconciliation run left for the staff of one hotel."""

    run_id: str
    hotel: Hotel
    findings: Sequence[ReconciliationFinding]


@dataclass(frozen=True)
class AccountEmail:
    """A link to an account, and the hotel of that account."""

    link: AccountLink
    hotel: Hotel


class Composer:
    """Composes e-mails.

    Args:
        email_from: the sender's address, with or without a name. Guests' e-mails carry the hotel's name instead; so do
            staff's if there is none.
        public_base_url: the address at which guests and staff reach the product.
        auth_secret: guests' links are derived from it.
    """

    def __init__(self, email_from: str, public_base_url: str, auth_secret: str) -> None:
        self._sender_name, self.sender = parseaddr(email_from)
        self._public_base_url = public_base_url
        self._auth_secret = auth_secret
        self._domain = self.sender.rpartition("@")[2]
        self._inliner = css_inline.CSSInliner(load_remote_stylesheets=False)
        # A macro of a shared template escapes as its own environment does, and so each kind of part has one.
        self._templates = {suffix: _environment(suffix) for suffix in (".html", ".txt")}

    def compose(self, email: BookingEmail, date: datetime) -> Mail:
        """Compose one e-mail, for all its recipients.

        Args:
            date: the time of the hand-over to the mail server.

        Raises:
            ValueError: the sender's or the hotel's address cannot stand in a header.
        """
        booking, kind = email.booking, email.kind
        event = email.step.event if email.step else ""
        for_staff = kind in STAFF_MAILS
        context = words_for(booking, email.hotel, email.room_type, date, for_staff=for_staff) | {
            "event": event,
            "sold_out": booking.reason_code == ReasonCode.SOLD_OUT,
            "hotel_page": f"{self._public_base_url}/hotels/{email.hotel.slug}/",
            "by_staff": event == Event.CANCELLED_BY_STAFF,
            "rooms_taken": email.rooms_taken,
            "risk": risk_words(email.card),
            "attention": [attention_words(each, booking, email.pending, date) for each in email.attention],
            "owes_other_refund": owes_other_refund(booking, email.attention),
            "link": self._link(booking.booking_id, kind),
            "disputes": [],
        }
        if event == Event.DISPUTE_RECORDED:
            context["disputes"] = [dispute_lines(each, booking.timezone, date) for each in email.disputes]
            context["facts"] += [fact for each in context["disputes"] for fact in each.facts]
        name = f"{booking.booking_id}.{kind}.{email.version}"
        mail = self._mail(name, kind, context, self._headers(email.hotel, date, for_staff=for_staff))
        return self._with_calendar_file(mail, email) if kind is MailKind.CONFIRMED else mail

    def compose_report(self, report: ReconciliationReport, date: datetime) -> Mail:
        """Compose the report of a reconciliation run, for all its recipients.

        Args, raises: as `compose`.
        """
        listed, hotel = report.findings[:_LISTED], report.hotel
        context = {
            "hotel_name": hotel.name,
            "first": listed[0].booking_id,
            "more": len(report.findings) - 1,
            "unlisted": len(report.findings) - len(listed),
            "facts": [(row.booking_id, f"{row.kind.replace('_', ' ')}: {row.detail}") for row in listed],
            "link": f"{self._public_base_url}/staff/",
        }
        headers = self._headers(hotel, date, for_staff=True)
        return self._mail(f"{hotel.slug}.{_REPORT}-{report.run_id}.0", _REPORT, context, headers)

    def compose_account_mail(self, email: AccountEmail, date: datetime) -> Mail:
        """Compose the mail with a link to an account.

        Args, raises: as `compose`.
        """
        link, hotel = email.link, email.hotel
        facts = [("Account", link.email)]
        if link.role:
            facts.append(("Role", ROLES[Role(link.role)]))
        context = {
            "hotel_name": hotel.name,
            "until": instant_in_words(link.expires_at, hotel.timezone),
            "facts": facts,
            "link": account_page(self._public_base_url, self._auth_secret, link.link_id),
        }
        headers = self._headers(hotel, date, for_staff=True)
        return self._mail(f"{link.link_id}.{link.kind}.0", link.kind, context, headers)

    def _headers(self, hotel: Hotel, date: datetime, *, for_staff: bool) -> list[str]:
        name = self._sender_name if for_staff else ""
        headers = [
            mailbox_header("From", name or hotel.name, self.sender),
            f"Date: {format_datetime(date)}",
            # Suppresses out-of-office replies: https://www.rfc-editor.org/rfc/rfc3834
            "Auto-Submitted: auto-generated",
        ]
        if hotel.contact_email and not for_staff:
            headers.append(mailbox_header("Reply-To", hotel.name, hotel.contact_email))
        return headers

    def _mail(self, name: str, folder: str, context: dict[str, Any], headers: list[str]) -> Mail:
        subject = one_line(self._render(folder, "subject.txt", context))
        text = self._render(folder, "body.txt", context)
        html = self._inliner.inline(self._render(folder, "body.html", context))
        headers = [*headers, text_header("Subject", subject)]
        return Mail(name, self._domain, subject, text, headers, alternatives(text, html))

    def _with_calendar_file(self, mail: Mail, email: BookingEmail) -> Mail:
        content = calendar_file(email.booking, email.hotel, email.room_type, self._domain)
        content_type = 'text/calendar; charset="utf-8"; method="PUBLISH"'
        filename = f"{email.booking.booking_id}.ics"
        return replace(mail, body=with_file(mail.body, content_type, filename, content))

    def _link(self, booking_id: str, kind: MailKind) -> str:
        if kind in STAFF_MAILS:
            return f"{self._public_base_url}/staff/bookings/{booking_id}/"
        return status_page(self._public_base_url, self._auth_secret, booking_id)

    def _render(self, folder: str, part: str, context: dict[str, Any]) -> str:
        return self._templates[Path(part).suffix].get_template(f"email/{folder}/{part}").render(context)


@cache
def _environment(suffix: str) -> Environment:
    """The environment of the templates with a suffix, all compiled: once for a process, and before the first mail."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=suffix == ".html",  # noqa: S701 - plain text must not be escaped
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["breaks"] = _breaks
    for path in _TEMPLATES.glob(f"email/**/*{suffix}"):
        environment.get_template(path.relative_to(_TEMPLATES).as_posix())
    return environment


def _breaks(text: str) -> Markup:
    """Keep the line breaks of free text: old mail programs ignore the CSS for it."""
    return Markup("<br>\n").join(escape(line) for line in text.splitlines())
