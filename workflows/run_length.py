"""The length of a workflow run."""

from __future__ import annotations

from temporalio.exceptions import ApplicationError

from dispatch.names import RUN_CONTINUES
from workflows import options


class RunLength:
    """Decides when a run ends and the next one continues.

    It counts the run's inputs: signals, updates and timers. The history's own length is no measure: the SDK may replay
    a workflow task without commands together with the empty tasks after it, when the history is longer
    (docs/decisions/16).
    """

    def __init__(self) -> None:
        self._inputs = 0
        self._refuses_updates = False

    def count_input(self) -> None:
        """Count a signal, or a timer that has fired."""
        self._inputs += 1

    def count_update(self) -> None:
        """Count an update."""
        self._inputs += 1
        self._refuses_updates = self.is_full

    @property
    def is_full(self) -> bool:
        """Whether the run should end as soon as possible."""
        return self._inputs >= options.INPUTS_MOST

    def require_room(self) -> None:
        """Refuse an update in its validator: it then leaves no trace in the history.

        The update that finds the run full is accepted: the SDK evaluates no condition after a refused one, and a
        run that refused all of them would not notice that it should end.

        Raises:
            ApplicationError: the run is full; the caller has to ask the next run.
        """
        if self._refuses_updates:
            raise ApplicationError("the run is full: ask the next run", type=RUN_CONTINUES)
