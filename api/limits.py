"""Rate limits per caller: 429 above them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import too_many
from storage.database import Connection
from storage.limits import Limit, count_attempt, wait_of

UNKNOWN: Final = "unknown"
_IPV6_PREFIX: Final = 64
"""A household's or server's IPv6 prefix: its owner may choose any of the 2^64 addresses within it."""


def client_network(host: str) -> str:
    """The network that an address counts for: an IPv4 address alone, an IPv6 address with its whole /64."""
    try:
        address = ip_address(host)
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)


async def _address_of(request: Request) -> str:
    """The IP address of a request. The server trusts a proxy's headers only from `FORWARDED_ALLOW_IPS`."""
    try:
        return str(ip_address(request.client.host if request.client else ""))
    except ValueError:
        return UNKNOWN


ClientAddress = Annotated[str, Depends(_address_of)]
"""The IP address a request comes from; `unknown` if a proxy says something else."""


async def _client_of(address: ClientAddress) -> str:
    return client_network(address)


Client = Annotated[str, Depends(_client_of)]
"""The network a request comes from; see `client_network`."""


def subject(kind: str, *who: str) -> str:
    """The key of a limit. Hashed: addresses are personal, and a name's field may contain a password."""
    return f"{kind}:{hashlib.sha256(chr(0).join(who).encode(errors='replace')).hexdigest()}"


async def count(db: Connection, limits: Sequence[Limit], detail: str) -> None:
    """Count an attempt towards each limit. A refusal rolls the caller's transaction back, so that nothing is counted.

    Raises:
        ProblemError: 429, one of them has been reached.
    """
    for limit in limits:
        _refuse(await count_attempt(db, limit), detail)


async def check(db: AsyncSession, limits: Sequence[Limit], detail: str) -> None:
    """Refuse an attempt that `count` would refuse, without counting it.

    Raises:
        ProblemError: 429, one of the limits has been reached.
    """
    for limit in limits:
        _refuse(await wait_of(db, limit), detail)


def _refuse(wait_s: int | None, detail: str) -> None:
    if wait_s is not None:
        raise too_many(wait_s, detail)
