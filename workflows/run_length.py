"""The length of a workflow run's history."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from dispatch.names import RUN_CONTINUES
from workflows import options


class RunLength:
    """Decides when a run ends and the next one continues."""

    def __init__(self) -> None:
        self._updates = 0
        self._refuses_updates = False

    def count_update(self) -> None:
        """Count an update towards Temporal's limit for a run."""
        self._updates += 1
        self._refuses_updates = self.is_full

    @property
    def is_full(self) -> bool:
        """Whether the run should end as soon as possible."""
        return (
            self._updates >= options.UPDATES_MOST
            or workflow.info().get_current_history_length() >= options.EVENTS_MOST
        )

    def require_room(self) -> None:
        """Refuse an update in its validator: it then leaves no trace in the history.

        The update that finds the history full is accepted: the SDK evaluates no condition after a refused one, and a
        run that refused all of them would not notice that it should end.

        Raises:
            ApplicationError: the history is full; the caller has to ask the next run.
        """
        if self._refuses_updates:
            raise ApplicationError("the history is full: ask the next run", type=RUN_CONTINUES)
