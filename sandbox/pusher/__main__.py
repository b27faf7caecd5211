"""`python -m sandbox.pusher`: run the Pusher stand-in until it is interrupted."""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox.pusher.app import create_app
from sandbox.pusher.record import MessageRecord
from sandbox.pusher.signature import Credentials
from sandbox.serving import run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.pusher",
        description="A stand-in for Pusher Channels on 127.0.0.1: HTTP API, WebSockets, a page of messages.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=6001, help="0 lets the system choose")
    parser.add_argument("--app-id", default="100000", help="digits, as Pusher's are")
    parser.add_argument("--key", default="sandbox-key", help="the app's public key")
    parser.add_argument("--secret", default="sandbox-secret", help="signs requests and subscriptions")
    parser.add_argument("--data", type=Path, help="folder that keeps the messages; without it they end here")
    parser.add_argument(
        "--activity-timeout-s", type=float, default=120.0, help="silence after which a WebSocket is pinged"
    )
    arguments = parser.parse_args()
    credentials = Credentials(arguments.app_id, arguments.key, arguments.secret)
    app = create_app(credentials, MessageRecord(arguments.data), arguments.activity_timeout_s)
    run(app, port=arguments.port, name="Pusher stand-in")


if __name__ == "__main__":
    main()
