"""`python -m bench.direct --port N`: the direct design, configured by the product's own environment."""

from __future__ import annotations

import argparse
import gc
import os

import uvicorn
from fastapi import FastAPI

from bench.direct.app import DirectConfig, create_app, pusher_arguments


def app() -> FastAPI:
    """Assemble the application; each process of the server calls this."""
    environment = dict(os.environ)
    config = DirectConfig(
        database_url=environment["DATABASE_URL"],
        stripe_key=environment["STRIPE_SECRET_KEY"],
        stripe_base=environment["STRIPE_API_BASE"],
        webhook_secret=environment["STRIPE_WEBHOOK_SECRET"],
        pusher=pusher_arguments(environment),
        smtp=(environment["SMTP_HOST"], int(environment["SMTP_PORT"])),
        pool=int(environment["DIRECT_POOL"]),
    )
    # As the product's programs do.
    gc.freeze()
    gc.set_threshold(10_000, 5, 2)
    return create_app(config)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m bench.direct")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pool", default="20", help="connections of each process to PostgreSQL")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    os.environ["DIRECT_POOL"] = arguments.pool
    uvicorn.run(
        "bench.direct.__main__:app",
        factory=True,
        workers=arguments.processes,
        host="127.0.0.1",
        port=arguments.port,
        log_level="error",
        access_log=False,
        # As the product's: otherwise a slow client meets a connection that has just been closed.
        timeout_keep_alive=130,
    )


if __name__ == "__main__":
    main()
