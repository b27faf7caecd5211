"""`python -m bench.direct --port N --pool N`: the direct design, configured by the product's own environment."""

from __future__ import annotations

import argparse
import os

import uvicorn

from bench.direct.app import DirectConfig, create_app, pusher_arguments


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m bench.direct")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pool", type=int, default=20, help="connections to PostgreSQL")
    arguments = parser.parse_args()
    environment = dict(os.environ)
    config = DirectConfig(
        database_url=environment["DATABASE_URL"],
        stripe_key=environment["STRIPE_SECRET_KEY"],
        stripe_base=environment["STRIPE_API_BASE"],
        webhook_secret=environment["STRIPE_WEBHOOK_SECRET"],
        pusher=pusher_arguments(environment),
        smtp=(environment["SMTP_HOST"], int(environment["SMTP_PORT"])),
        pool=arguments.pool,
    )
    uvicorn.run(
        create_app(config), host="127.0.0.1", port=arguments.port, log_level="error", access_log=False
    )


if __name__ == "__main__":
    main()
