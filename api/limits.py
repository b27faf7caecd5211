"""Rate limits per caller: 429 above them."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Annotated, Final, TypeVar
from weakref import WeakValueDictionary

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import too_many
from storage.database import Connection
from storage.limits import Limit, ReachedLimit, count_attempt, reached_limit

Opened = TypeVar("Opened", bound=Connection)

UNKNOWN: Final = "unknown"
_MOST_REMEMBERED: Final = 10_000
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


class Limiter:
    """Counts attempts in PostgreSQL, and remembers the limits that were reached.

    A limit that was reached is refused from memory until its window ends: a flood then costs PostgreSQL nothing.
    """

    def __init__(self) -> None:
        self._reached_until: dict[str, float] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, limit: Limit) -> AsyncIterator[None]:
        """Let the attempts that a limit counts follow one another within this process.

        PostgreSQL would have them do so, too, each with a connection that others need.
        """
        if not limit.most:
            yield
            return
        lock = self._turns.get(limit.subject)
        if lock is None:
            lock = self._turns[limit.subject] = asyncio.Lock()
        async with lock:
            yield

    @asynccontextmanager
    async def counted(
        self, opening: AbstractAsyncContextManager[Opened], limits: Sequence[Limit], detail: str
    ) -> AsyncIterator[Opened]:
        """Open a transaction and count an attempt in it, in the turn of each limit.

        A crowd from many clients may share the narrower limit alone: a booking's, or that of an e-mail address.

        Args:
            opening: opens the transaction.
            limits: the widest one, the client's, first. Callers with the same limits name them in the same order.

        Raises:
            ProblemError: 429, one of the limits has been reached; 503, the database is away.
        """
        self.refuse_reached(limits, detail)
        async with AsyncExitStack() as turns:
            for limit in limits:
                await turns.enter_async_context(self.turn(limit))
            self.refuse_reached(limits, detail)
            async with opening as db:
                await self.count(db, limits, detail)
                yield db

    def refuse_reached(self, limits: Sequence[Limit], detail: str) -> None:
        """Refuse an attempt if a limit is known to be reached.

        Raises:
            ProblemError: 429, one is.
        """
        now = time.monotonic()
        for limit in limits:
            left_s = self._reached_until.get(limit.subject, now) - now
            if left_s > 0:
                raise too_many(math.ceil(left_s), detail)

    async def count(self, db: Connection, limits: Sequence[Limit], detail: str) -> None:
        """Count an attempt towards each limit. A refusal rolls the caller's transaction back: nothing is counted.

        Raises:
            ProblemError: 429, one of them has been reached.
        """
        self._refuse(await count_attempt(db, limits), detail)

    async def check(self, db: AsyncSession, limits: Sequence[Limit], detail: str) -> None:
        """Refuse an attempt that `count` would refuse, without counting it.

        Raises:
            ProblemError: 429, one of the limits has been reached.
        """
        self.refuse_reached(limits, detail)
        self._refuse(await reached_limit(db, limits), detail)

    def _refuse(self, reached: ReachedLimit | None, detail: str) -> None:
        if reached is None:
            return
        now = time.monotonic()
        if len(self._reached_until) >= _MOST_REMEMBERED:
            self._reached_until = {each: until for each, until in self._reached_until.items() if until > now}
        if len(self._reached_until) < _MOST_REMEMBERED:
            self._reached_until[reached.subject] = now + reached.wait_s
        raise too_many(reached.wait_s, detail)
