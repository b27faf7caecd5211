"""The configuration of a stand-in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 12111
DEFAULT_SECRET_KEY = "sk_test_sandbox"  # noqa: S105 (it opens nothing but this stand-in)


@dataclass(frozen=True)
class Config:
    """The configuration of one stand-in.

    Args:
        data: the folder of its state.
        secret_key: the API key it accepts.
        webhook_url: the endpoint for events; None keeps the endpoint set before, if any.
        webhook_secrets: their signing secrets; several while one is being rolled.
        public_url: the address in Checkout links; None takes it from each request.
        webhook_retry_base_s: seconds to the first retry of a failed delivery; doubles up to a minute.
    """

    data: Path
    secret_key: str = DEFAULT_SECRET_KEY
    webhook_url: str | None = None
    webhook_secrets: tuple[str, ...] = ()
    public_url: str | None = None
    webhook_retry_base_s: float = 1.0
