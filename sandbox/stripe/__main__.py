"""`python -m sandbox.stripe`: run the Stripe stand-in until it is interrupted."""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox.serving import run
from sandbox.stripe.app import create_app
from sandbox.stripe.config import DEFAULT_PORT, DEFAULT_SECRET_KEY, Config


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.stripe",
        description="A stand-in for Stripe on 127.0.0.1: API, hosted payment page, signed webhooks, ledger.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 lets the system choose")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the state")
    parser.add_argument("--secret-key", default=DEFAULT_SECRET_KEY, help="the API key it accepts")
    parser.add_argument("--webhook-url", help="where events go; without it, where they went before")
    parser.add_argument("--webhook-secret", default="", help="signs them; several separated by commas")
    parser.add_argument("--public-url", help="address in Checkout links; by default the one a request used")
    parser.add_argument(
        "--webhook-retry-base-s", type=float, default=1.0, help="seconds to a delivery's first retry"
    )
    arguments = parser.parse_args()
    if arguments.webhook_url and not arguments.webhook_secret:
        parser.error("--webhook-url needs --webhook-secret")
    return arguments


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    arguments = _arguments()
    config = Config(
        data=arguments.data,
        secret_key=arguments.secret_key,
        webhook_url=arguments.webhook_url,
        webhook_secrets=tuple(part.strip() for part in arguments.webhook_secret.split(",") if part.strip()),
        public_url=arguments.public_url.rstrip("/") if arguments.public_url else None,
        webhook_retry_base_s=arguments.webhook_retry_base_s,
    )
    run(create_app(config), port=arguments.port, name="Stripe stand-in")


if __name__ == "__main__":
    main()
