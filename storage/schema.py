"""The schema's migrations, as `manage.py migrate` runs them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

_CONFIG = Path(__file__).parents[1] / "alembic.ini"


def upgrade(database_url: str) -> None:
    """Bring a database's schema up to date; one that is so already changes nothing.

    Runs an event loop of its own: from within one, call it in a thread.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError, TimeoutError: the database is away.
    """
    command.upgrade(alembic_config(database_url), "head")


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for one database."""
    config = Config(_CONFIG)
    config.attributes["database_url"] = database_url
    return config
