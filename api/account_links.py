"""Links to accounts, sent by e-mail: who may ask for one, and what it does."""

from __future__ import annotations

from typing import Final

from api.limits import client_network, subject
from api.outages import mapped_outages, transaction
from api.services import Services
from dispatch.account_mails import start_account_mail
from models import utc_now
from storage.account_links import add_reset, use_link
from storage.limits import Limit, Window

_ACCOUNTS_PER_CLIENT: Final = 3
_TOO_MANY: Final = "Too many password resets were requested; try again later."


async def send_reset(services: Services, email: str, address: str) -> None:
    """Have a link sent to an address if it has an account.

    For an address without an account, too, everything is done but the e-mail: neither the answer nor its time says
    which addresses have one.

    Args:
        email: as `staff_address` returns it.
        address: the IP address of the request.

    Raises:
        ProblemError: 429, too many requests; 503, the database or Temporal is away.
    """
    most = services.resets_per_hour
    limits = (
        Limit(subject("reset-from", client_network(address)), most * _ACCOUNTS_PER_CLIENT, Window.HOUR),
        Limit(subject("reset", email), most, Window.HOUR),
    )
    async with services.limiter.counted(transaction(services.database), limits, _TOO_MANY) as db:
        link_id = await add_reset(db, services.auth_secret, email, utc_now())
    await send_link(services, link_id)


async def send_link(services: Services, link_id: str) -> None:
    """Have a stored link sent.

    Raises:
        ProblemError: 503, Temporal is away.
    """
    with mapped_outages():
        await start_account_mail(services.temporal, link_id, services.task_queue)


async def choose_password(services: Services, code: str, password: str) -> bool:
    """Set the password for which a link was sent; see `use_link`.

    Raises:
        ProblemError: 503, the database is away.
    """
    hashed = await services.passwords.hash(password)
    async with transaction(services.database) as db:
        return await use_link(db, code, hashed, utc_now())
