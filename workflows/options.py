"""Timeouts and retries, named once per dependency."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from temporalio.common import RetryPolicy

STRIPE_ATTEMPT: Final = timedelta(seconds=30)
STRIPE_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
)
STRIPE_PATIENCE_SHORTEST: Final = timedelta(minutes=1)
"""Even a step whose time is over is tried for this long: the hold may be there still."""

# Somebody waits in front of a browser for these; they are asked again rather than retried for long.
STRIPE_ONLINE: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(seconds=13),
    "schedule_to_close_timeout": timedelta(seconds=15),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_attempts=3),
}

# Without the database nothing can be said to have happened: as long as it takes.
DATABASE: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(seconds=20),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)
    ),
}

# Several workflows may write here in turn: whoever comes second reads the row again instead of insisting.
DATABASE_SHARED: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(seconds=20),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=500),
        maximum_interval=timedelta(seconds=30),
        non_retryable_error_types=["stale_version"],
    ),
}

SWEEP: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(seconds=50),
    "retry_policy": RetryPolicy(maximum_attempts=3),
}

# Much to read, politely: what is cut off begins its batch anew, which heals nothing twice.
RECONCILE: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(minutes=20),
    "heartbeat_timeout": timedelta(minutes=1),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=10), maximum_attempts=3),
}

# It sends mails as well, and gives up on those after a while.
RECONCILED: Final[dict[str, Any]] = DATABASE | {"start_to_close_timeout": timedelta(minutes=2)}

NOTIFICATION_PATIENCE_SHORTEST: Final = timedelta(minutes=1)
"""A notification whose time is over when the next run takes it up is still tried for this long."""

# Old news is no news: after an hour a realtime event is dropped, and the drop logged.
PUSHER_PATIENCE: Final = timedelta(hours=1)
PUSHER: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(seconds=15),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
}

MAIL_PATIENCE: Final = timedelta(hours=24)
MAIL: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=10)
    ),
}

PENDING_COMMAND_RECHECK: Final = timedelta(hours=1)
"""How often a booking that waits for a person looks by itself whether its money has moved."""

POLL_PAUSE_LONGEST: Final = timedelta(hours=1)
"""Each poll of Stripe that brings no news doubles the pause before the next, up to this; news resets it."""

HOLD_REREAD_LONGEST: Final = timedelta(days=1)
"""The longest pause before a booking that took over asks again about a hold that Stripe will not tell of."""

# A replay costs about a millisecond an event, and 16 an update; a workflow task has 10 seconds, and Temporal takes
# 2,000 updates a run. A run goes on as a new one long before that.
EVENTS_MOST: Final = 400
UPDATES_MOST: Final = 40
