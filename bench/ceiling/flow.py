"""The minimum a booking costs Temporal: eight empty activities and two signals."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow

TASK_QUEUE = "ceiling"


@activity.defn(name="nothing")
async def nothing(step: str) -> str:
    """Do nothing."""
    return step


@workflow.defn(name="CeilingWorkflow")
class CeilingWorkflow:
    """The steps of an approved booking without their content."""

    def __init__(self) -> None:
        self._authorized = False
        self._approved = False

    @workflow.run
    async def run(self, booking_id: str) -> str:
        """Run the steps of an approved booking."""
        await self._step("record submitted")
        await self._step("open session")
        await workflow.wait_condition(lambda: self._authorized)
        await self._step("read")
        await self._step("record authorized")
        await self._step("mail")
        await workflow.wait_condition(lambda: self._approved)
        await self._step("capture")
        await self._step("record approved")
        await self._step("mail")
        return booking_id

    async def _step(self, name: str) -> None:
        await workflow.execute_activity(nothing, name, start_to_close_timeout=timedelta(seconds=30))

    @workflow.signal
    def authorized(self) -> None:
        """The card is held."""
        self._authorized = True

    @workflow.signal
    def approve(self) -> None:
        """Staff approve the booking."""
        self._approved = True
