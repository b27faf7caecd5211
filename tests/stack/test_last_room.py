"""Many guests for one room, with two workers and two API processes."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from sandbox.drivers import Addresses, StackClient
from sandbox.stack import Stack
from tests.e2e.test_e2e_rooms import one_gets_the_room
from tests.whole_stack import PASSWORD


@pytest.mark.timeout(240)
async def test_twenty_guests_for_one_room_at_two_apis(tmp_path: Path) -> None:
    """One request and nineteen releases, whichever process has a guest."""
    with Stack(tmp_path / "stack", workers=2, apis=2) as stack:
        stack.manage("demo-data", DEMO_PASSWORD=PASSWORD)
        others = [stack.url[part] for part in ("stripe", "pusher", "inbox")]
        apis = [url for part, url in stack.url.items() if part.startswith("api")]
        assert len(apis) == 2
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
            clients = [StackClient(http, Addresses(api, *others)) for api in apis]
            await one_gets_the_room(clients, stack)
