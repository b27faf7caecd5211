"""The parts of the stack: their command lines, and the environment with the product's configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.stack.folder import FolderState
from sandbox.stack.guard import TOKEN_VARIABLE
from sandbox.stack.ports import HOST
from sandbox.stack.process import Part, answers

ROOT: Final = Path(__file__).parents[2]
STRIPE_KEY: Final = "sk_test_sandbox"
PUSHER_APP: Final = ("100000", "sandbox-key", "sandbox-secret")
_WEBHOOK_PATH: Final = "/api/public/hotel/room-bookings/stripe-webhook/"
_WORKER_READY: Final = "worker ready on task queue"

# The stack sets these variables itself, so that no part ever uses a real account.
_DECIDED_HERE: Final = (
    "DATABASE_URL",
    "TEMPORAL_",
    "STRIPE_",
    "PUSHER_",
    "SMTP_",
    "EMAIL_FROM",
    "PUBLIC_BASE_URL",
)
_DECIDED_HERE_TOO: Final = ("AUTH_SECRET", "HOST", "PORT", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Layout:
    """The values from which the parts' command lines are built.

    Args:
        folder: data, logs, ports and secrets.
        ports: by name: `api`, `api2`, …, `temporal`, `temporal-http`, `temporal-ui`, `stripe`, `pusher`, `smtp`,
            `inbox`, `postgres`.
        database_url: the product's database.
        token: marks every process of this stack.
        extra: additional variables for API and worker.
    """

    folder: Path
    ports: Mapping[str, int]
    folder_state: FolderState
    database_url: str
    token: str
    extra: Mapping[str, str]
    ui: bool

    def url(self, name: str) -> str:
        """The base URL of an HTTP part."""
        return f"http://{HOST}:{self.ports[name]}"

    @property
    def product(self) -> dict[str, str]:
        """The product's configuration variables."""
        app_id, key, secret = PUSHER_APP
        ui = {"TEMPORAL_UI_URL": self.url("temporal-ui")} if self.ui else {}
        return {
            "DATABASE_URL": self.database_url,
            "TEMPORAL_ADDRESS": f"{HOST}:{self.ports['temporal']}",
            "TEMPORAL_NAMESPACE": "default",
            # A developer's own profile may hold keys and addresses of a real Temporal.
            "TEMPORAL_CONFIG_FILE": os.devnull,
            **ui,
            "STRIPE_SECRET_KEY": STRIPE_KEY,
            "STRIPE_WEBHOOK_SECRET": f"whsec_{self.folder_state.secret('stripe_webhook')}",
            "STRIPE_API_BASE": self.url("stripe"),
            "PUSHER_APP_ID": app_id,
            "PUSHER_KEY": key,
            "PUSHER_SECRET": secret,
            "PUSHER_HOST": HOST,
            "PUSHER_PORT": str(self.ports["pusher"]),
            "PUSHER_SSL": "false",
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(self.ports["smtp"]),
            "SMTP_STARTTLS": "false",
            "EMAIL_FROM": "Hotel Holds <bookings@hotel-holds.test>",
            "PUBLIC_BASE_URL": self.url("api"),
            "AUTH_SECRET": self.folder_state.secret("auth"),
            # All clients on this machine share one address.
            "RATE_LIMIT_BOOKING_PER_HOUR": "0",
            "RATE_LIMIT_VERIFY_PER_MIN": "0",
            **self.extra,
        }


def inherited(token: str) -> dict[str, str]:
    """This process's environment without the variables that the stack sets."""
    folder_state = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_DECIDED_HERE) and name not in _DECIDED_HERE_TOO
    }
    return folder_state | {
        TOKEN_VARIABLE: token,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": HOST,
        "no_proxy": HOST,
    }


def python(*arguments: str) -> tuple[str, ...]:
    """A command line for this interpreter. `-P` keeps the working directory off the module path."""
    return (sys.executable, "-P", *arguments)


def temporal(at: Layout) -> Part:
    """Temporal's development server, its state in a file."""
    pragmas = [
        word for pragma in ("journal_mode=wal", "synchronous=normal") for word in ("--sqlite-pragma", pragma)
    ]
    ui = ["--ui-port", str(at.ports["temporal-ui"])] if at.ui else ["--headless"]
    return Part(
        name="temporal",
        command=(
            str(Path(sys.executable).parent / "temporal"), "server", "start-dev", "--ip", HOST,
            "--port", str(at.ports["temporal"]), "--http-port", str(at.ports["temporal-http"]), *ui,
            "--db-filename", str(at.folder / "temporal.db"), *pragmas, "--log-level", "error",
        ),
        environment=inherited(at.token),
        folder=at.folder,
        ready=answers(at.ports["temporal-http"], "/api/v1/namespaces/default"),
    )  # fmt: skip


def stand_ins(at: Layout) -> list[Part]:
    """Stripe, Pusher and the mail server."""
    app_id, key, secret = PUSHER_APP
    stripe = (
        "--webhook-url", at.url("api") + _WEBHOOK_PATH,
        "--webhook-secret", at.product["STRIPE_WEBHOOK_SECRET"],
        "--secret-key", STRIPE_KEY, "--public-url", at.url("stripe"),
    )  # fmt: skip
    return [
        _stand_in(at, "stripe", "stripe", "--port", str(at.ports["stripe"]), *stripe),
        _stand_in(
            at, "pusher", "pusher", "--port", str(at.ports["pusher"]), "--app-id", app_id, "--key", key,
            "--secret", secret,
        ),
        _stand_in(
            at, "mail", "inbox", "--http-port", str(at.ports["inbox"]), "--smtp-port", str(at.ports["smtp"])
        ),
    ]  # fmt: skip


def _stand_in(at: Layout, name: str, port: str, *arguments: str) -> Part:
    data = at.folder / name
    return Part(
        name=name,
        command=python("-m", f"sandbox.{name}", "--data", str(data), *arguments),
        environment=inherited(at.token),
        folder=at.folder,
        ready=answers(at.ports[port], "/_sandbox/faults"),
    )


def api(at: Layout, name: str) -> Part:
    """One API process; `name` is that of its port."""
    return Part(
        name=name,
        command=python("-m", "api"),
        environment={**inherited(at.token), **at.product, "HOST": HOST, "PORT": str(at.ports[name])},
        # Not the repository: its `.env` may name real accounts.
        folder=at.folder,
        ready=answers(at.ports[name], "/healthz"),
    )


def worker(at: Layout, name: str) -> Part:
    """One worker process."""
    return Part(
        name=name,
        command=python(str(ROOT / "worker.py")),
        environment={**inherited(at.token), **at.product},
        folder=at.folder,
        ready=lambda logged: _WORKER_READY in logged,
        # Shorter than in a real deployment; Temporal repeats a step that was cut off.
        stop_patience_s=10,
    )
