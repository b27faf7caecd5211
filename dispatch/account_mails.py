"""Starts the workflow that sends a link to an account."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from dispatch.errors import temporal_call
from dispatch.names import ACCOUNT_MAIL_WORKFLOW
from domain.identifiers import account_mail_workflow_id


async def start_account_mail(client: Client, link_id: str, task_queue: str) -> None:
    """Have a stored link sent; a repeat does nothing. The history names the row and no address.

    Raises:
        TemporalAwayError: the workflow may or may not have been started.
    """
    async with temporal_call():
        await client.start_workflow(
            ACCOUNT_MAIL_WORKFLOW,
            link_id,
            id=account_mail_workflow_id(link_id),
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
