"""The operators' commands. `python manage.py --help` lists them."""

from __future__ import annotations

import os
import sys

import typer

from management import bookings, guests, hotels, rooms, staff
from management.check import check
from management.demo_data import demo_data
from management.migrate import migrate
from management.reconcile import reconcile
from management.tools import Tools
from settings import load_settings


def build_app() -> typer.Typer:
    """Build the command line. Settings and connections are opened by the command that needs them."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        # A traceback with local variables would show passwords and guests.
        pretty_exceptions_show_locals=False,
        help=(
            "Set up hotels, look after bookings.\n\n"
            "Exit status of every command: 0 done; 1 not done, and why; 2 not understood; 3 a service is away; "
            "4 taken, outcome not known yet."
        ),
    )

    @app.callback()
    def lay_out_tools(context: typer.Context) -> None:
        context.obj = Tools(load_settings)

    app.command()(migrate)
    app.command()(check)
    app.add_typer(hotels.app, name="hotel")
    app.add_typer(rooms.app, name="room-type")
    app.add_typer(staff.app, name="staff")
    app.command("demo-data")(demo_data)
    app.add_typer(bookings.app, name="booking")
    app.command()(reconcile)
    app.add_typer(guests.app, name="guest")
    return app


def main() -> None:
    """Run one command."""
    status = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    # Temporal's native runtime can crash while the interpreter shuts down; the command is done here.
    os._exit(status)


def _run() -> int:
    try:
        build_app()()
    except SystemExit as ending:
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)  # noqa: T201  as the interpreter itself would
            return 1
        return ending.code or 0
    return 0


if __name__ == "__main__":
    main()
