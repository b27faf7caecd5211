"""Starts the workflow that sends the link to a booking again."""

from __future__ import annotations

import secrets

from temporalio.client import Client

from dispatch.errors import temporal_call
from dispatch.names import BOOKING_LINK_WORKFLOW
from domain.identifiers import booking_link_workflow_id
from domain.messages.notifications import Mailing


async def start_booking_link(client: Client, mailing: Mailing, task_queue: str) -> None:
    """Have a link sent; without a booking id in `mailing` the workflow ends at once, and its caller waits as long.

    Raises:
        TemporalAwayError: the workflow may or may not have been started.
    """
    async with temporal_call():
        await client.start_workflow(
            BOOKING_LINK_WORKFLOW,
            mailing,
            id=booking_link_workflow_id(secrets.token_hex(12)),
            task_queue=task_queue,
        )
