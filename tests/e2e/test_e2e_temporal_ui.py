"""The filter of the runbook, as the Temporal UI would send it."""

from __future__ import annotations

import re
from urllib.parse import unquote

from sandbox.drivers import GuestDriver, RoomRequest, StackClient, wait_until
from sandbox.histories import TemporalCli
from sandbox.stack import Stack
from tests.stack.leftovers import ROOT
from tests.whole_stack import HOTEL

_GUEST = {"first_name": "Una", "last_name": "Filter", "email": "una.filter@example.com"}


async def test_the_saved_filter_leaves_the_sweep_out(stack: Stack, client: StackClient) -> None:
    """And shows bookings, as the address in the runbook does."""
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    [query] = re.findall(r"\bfilter is `([^`]+)`", runbook)
    [address] = re.findall(r"workflows\?query=(\S+?)`", runbook)
    assert unquote(address) == query

    temporal = TemporalCli(stack.temporal_address)
    guest = await GuestDriver.book(client, RoomRequest(HOTEL, days_ahead=70), _GUEST)
    everything = await wait_until(
        temporal.statuses, lambda found: any(name.startswith("sweep") for name in found), timeout_s=90
    )
    assert f"booking-{guest.booking_id}" in everything
    shown = await temporal.statuses(query)
    assert f"booking-{guest.booking_id}" in shown
    assert [name for name in shown if name.startswith("sweep")] == []
