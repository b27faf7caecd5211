"""`python -m sandbox.mail`: run the mail catcher until it is interrupted."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from sandbox.mail.app import create_app
from sandbox.mail.catcher import SmtpLogin
from sandbox.mail.inbox import MailInbox
from sandbox.serving import HOST, run


def main() -> None:
    arguments = _parser().parse_args()
    login = SmtpLogin(arguments.username, arguments.password) if arguments.username else None
    try:
        smtp_socket = socket.create_server((HOST, arguments.smtp_port))
    except OSError as error:
        sys.exit(f"cannot listen for SMTP on port {arguments.smtp_port}: {error.strerror}")
    with smtp_socket:
        smtp_port = smtp_socket.getsockname()[1]
        app = create_app(smtp_socket, MailInbox(arguments.data), login)
        run(app, port=arguments.http_port, name=f"Mail catcher: SMTP on {HOST}:{smtp_port}, inbox")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.mail",
        description="A mail server on 127.0.0.1 that keeps every message and delivers none, with an inbox.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--smtp-port", type=int, default=1025, help="0 lets the system choose")
    parser.add_argument("--http-port", type=int, default=8025, help="0 lets the system choose")
    parser.add_argument("--data", type=Path, help="folder that keeps the messages; without it they end here")
    parser.add_argument("--username", help="asks senders to log in under this name")
    parser.add_argument("--password", default="", help="and with this password")
    return parser


if __name__ == "__main__":
    main()
