"""The link to a booking, sent again to a guest who asks for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from api.limits import subject
from api.outages import mapped_outages, transaction
from api.services import Services
from dispatch.booking_links import start_booking_link
from domain.mailbox import mailbox_of
from models import utc_now
from storage.limits import Limit, Window
from storage.mails import link_mailing

_MAILBOXES_PER_CLIENT: Final = 3
_TOO_MANY: Final = "The link was asked for too often; wait a little."
_AFTER_CHECK_OUT: Final = timedelta(days=1)
"""Hotels' days end at different hours."""


async def send_booking_link(services: Services, email: str, booking_id: str, client: str) -> None:
    """Have the link to a booking sent to its guest's address.

    For an address without a booking, too, everything is done but the e-mail: neither the answer nor its time says which
    addresses have one.

    Args:
        email: the guest's address.
        booking_id: the booking that is meant; empty where it is not known.
        client: the network of the request, as `api.limits.Client`.

    Raises:
        ProblemError: 429, too many requests; 503, the database or Temporal is away.
    """
    most, now = services.links_per_hour, utc_now()
    limits = (
        Limit(subject("link-from", client), most * _MAILBOXES_PER_CLIENT, Window.HOUR),
        Limit(subject("link-for", mailbox_of(email)), most, Window.HOUR),
    )
    async with services.limiter.counted(transaction(services.database), limits, _TOO_MANY) as db:
        mailing = await link_mailing(db, email, booking_id, (now - _AFTER_CHECK_OUT).date())
    with mapped_outages():
        await start_booking_link(services.temporal, mailing, services.task_queue)
