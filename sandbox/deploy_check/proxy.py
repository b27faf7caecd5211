"""Checks that the API trusts the headers of a proxy on this machine, so that limits count guests' own addresses."""

from __future__ import annotations

from typing import Final

import httpx

_ATTEMPTS: Final = 30
"""More failures than one address may have in two minutes: the attempts may span a full minute."""
_ONE: Final = "203.0.113.1"
_OTHER: Final = "203.0.113.2"


async def problems_behind_a_proxy(http: httpx.AsyncClient, api: str) -> list[str]:
    """Fail to log in from one address until the limit, then from another."""

    async def guess(address: str) -> int:
        form = {"username": "nobody@example.com", "password": "a guess", "grant_type": "password"}
        headers = {"X-Forwarded-For": address}
        return (await http.post(f"{api}/api/staff/auth/token/", data=form, headers=headers)).status_code

    for _ in range(_ATTEMPTS):
        if await guess(_ONE) == httpx.codes.TOO_MANY_REQUESTS:
            break
    else:
        return ["guessing passwords is never refused"]
    if (other := await guess(_OTHER)) != httpx.codes.UNAUTHORIZED:
        return [f"one address uses up the other's attempts ({other}): X-Forwarded-For is not believed"]
    return []
