"""Timeouts and retries, named once per dependency."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from temporalio.common import RetryPolicy

STRIPE_ATTEMPT: Final = timedelta(seconds=30)
STRIPE_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
)
STRIPE_PATIENCE_SHORTEST: Final = timedelta(minutes=1)
"""The shortest time a step gets even after its deadline: the hold may still exist."""

# The caller waits in a browser, and asks again after a failure: retries are short.
STRIPE_ONLINE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "start_to_close_timeout": timedelta(seconds=13),
        "schedule_to_close_timeout": timedelta(seconds=15),
        "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_attempts=3),
    }
)

# A workflow goes on only after its change is in the database: retries have no time limit.
DATABASE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "start_to_close_timeout": timedelta(seconds=20),
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)
        ),
    }
)

# A first attempt within the workflow task, which is repeated as a whole if the worker dies. Signals wait that long.
DATABASE_AT_ONCE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "start_to_close_timeout": timedelta(seconds=2),
        "schedule_to_close_timeout": timedelta(seconds=2),
        "retry_policy": RetryPolicy(maximum_attempts=1),
    }
)

# Several workflows may write here in turn: the second one reads the row again instead of retrying.
DATABASE_SHARED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "start_to_close_timeout": timedelta(seconds=20),
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(milliseconds=500),
            maximum_interval=timedelta(seconds=30),
            non_retryable_error_types=["stale_version"],
        ),
    }
)

SWEEP: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "start_to_close_timeout": timedelta(seconds=50),
        "retry_policy": RetryPolicy(maximum_attempts=3),
    }
)

# A batch takes minutes: it reads at a limited rate. An interrupted batch starts again; its remedies are idempotent.
RECONCILE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "start_to_close_timeout": timedelta(minutes=20),
        "heartbeat_timeout": timedelta(minutes=1),
        "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=10), maximum_attempts=3),
    }
)

# The end of a run sends e-mails too, and gives up those that fail for too long.
RECONCILED: Final[Mapping[str, Any]] = MappingProxyType(
    {**DATABASE, "start_to_close_timeout": timedelta(minutes=2)}
)

NOTIFICATION_PATIENCE_SHORTEST: Final = timedelta(minutes=1)
"""The shortest time a notification gets in the next run, even if its own time is over."""

# A realtime event is of no use after an hour: it is dropped, and the drop logged.
PUSHER_PATIENCE: Final = timedelta(hours=1)
PUSHER: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "start_to_close_timeout": timedelta(seconds=15),
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)
        ),
    }
)

MAIL_PATIENCE: Final = timedelta(hours=24)
MAIL: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "start_to_close_timeout": timedelta(seconds=60),
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=10)
        ),
    }
)

PENDING_COMMAND_RECHECK: Final = timedelta(hours=1)
"""The pause between reads of a payment while a booking needs attention."""

REASON_RECHECK: Final = timedelta(minutes=10)
REASON_RECHECK_LONGEST: Final = timedelta(days=1)
"""The pauses between looks at whether another workflow has cleared the reason that one waits for; each doubles."""

POLL_PAUSE_LONGEST: Final = timedelta(hours=1)
"""The longest pause between polls: each poll without news doubles the pause, and news resets it."""

HOLD_REREAD_LONGEST: Final = timedelta(days=1)
"""The longest pause between reads of a hold that Stripe refuses to show to a resumed booking."""

INPUTS_MOST: Final = 40
"""Signals, updates and timers of a run.

Each leads to some ten events, and a step on money that fails is repeated 40 times at most. A replay takes about 1 ms
per event and 16 ms per update. A workflow task has 10 s, and Temporal accepts 2,000 updates per run: the next run
starts long before either limit.
"""
