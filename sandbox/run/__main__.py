"""`python -m sandbox.run`: start all parts, print their addresses, restart parts that die, and stop them."""

from __future__ import annotations

import os
import shlex
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer

from sandbox.run.addresses import table, where
from sandbox.run.watchdog import GaveUpError, Watchdog
from sandbox.stack import FolderInUseError, PartError, Stack
from sandbox.stack.folder import write_atomically, write_text_atomically
from sandbox.stack.parts import ROOT

_PORTS: Final = {
    "temporal": 7233,
    "temporal-ui": 8233,
    "stripe": 12111,
    "pusher": 6001,
    "smtp": 1025,
    "inbox": 8025,
}
_ADDRESSES: Final = "run.json"
_COMMANDS: Final = "commands.env"
_PASSWORD_VARIABLE: Final = "DEMO_PASSWORD"  # noqa: S105  a variable's name
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class _StopRequest(BaseException):
    """Ctrl-C or SIGTERM. No ordinary `except` may catch it."""


@app.command()
def run(
    folder: Annotated[Path, typer.Option(help="Where data and logs are kept.")] = ROOT / "var",
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="The API's port.")] = 8000,
    database_url: Annotated[
        str | None,
        typer.Option(envvar="DATABASE_URL", show_envvar=True, help="A database to use; else one is started."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="How many worker processes.")] = 1,
    apis: Annotated[int, typer.Option(min=1, help="How many API processes.")] = 1,
) -> None:
    """Start PostgreSQL, Temporal, stand-ins for Stripe, Pusher and SMTP, worker and API; stop them on Ctrl-C.

    A port that is in use is replaced by another. Data stays in the folder, so the next start continues with it. While
    it runs, the folder's run.json has the addresses, and commands.env the environment for `manage.py`. A part that dies
    is started again; a part that keeps dying ends the run. DEMO_PASSWORD sets the demo staff's password; otherwise one
    is generated.
    """
    for number in _SIGNALS:
        signal.signal(number, _stop)
    begun = time.monotonic()

    def tell(part: str, text: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {part:<12}  {text}", flush=True)

    stack = Stack(
        folder,
        workers=workers,
        apis=apis,
        ports={"api": port, **_PORTS},
        database_url=database_url,
        ui=True,
        tell=tell,
    )
    raise typer.Exit(_run(stack))


def _run(stack: Stack) -> int:
    """Run until asked to stop; returns the exit status."""
    try:
        stack.start()
        _announce(stack, _demo_data(stack))
        Watchdog(stack).forever()
    except _StopRequest:
        print("\nstopping everything", flush=True)
        return 0
    except FolderInUseError as error:
        print(f"{error}; stop that one first, or choose another folder with --folder", flush=True)
        return 1
    except (PartError, GaveUpError) as error:
        print(f"\n{error}\n\nstopping everything", flush=True)
        return 1
    finally:
        # Stopping takes a few seconds; further signals must not interrupt it.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if stack.started:
            for name in (_ADDRESSES, _COMMANDS):
                (stack.folder / name).unlink(missing_ok=True)
            stack.stop()
            print("stopped", flush=True)


def _demo_data(stack: Stack) -> str:
    """Add the demo's hotels; returns their staff's password."""
    password = os.environ.get(_PASSWORD_VARIABLE) or stack.secret("demo_password")
    stack.manage("demo-data", **{_PASSWORD_VARIABLE: password})
    return password


def _announce(stack: Stack, password: str) -> None:
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(stack.environment.items())]
    write_text_atomically(stack.folder / _COMMANDS, "".join(lines))
    write_atomically(
        stack.folder / _ADDRESSES,
        {
            "pid": os.getpid(),
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "url": stack.url,
            "temporal_address": stack.temporal_address,
            "database_url": stack.database_url,
            "logs": str(stack.logs),
        },
    )
    print(table(where(stack, password)), flush=True)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise _StopRequest


if __name__ == "__main__":
    app()
