"""The schema's migrations, as `manage.py migrate` runs them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

MIGRATE: Final = "the database's schema is not up to date: run `python manage.py migrate`"
"""What every part says of a database that no migration, or an older one, has prepared."""

_MISSING: Final = frozenset({"42P01", "42703", "3F000"})
"""PostgreSQL's codes for a table, a column and a schema that are not there."""

_CONFIG = Path(__file__).parents[1] / "alembic.ini"


def upgrade(database_url: str) -> None:
    """Bring a database's schema up to date; does nothing if it is.

    Runs its own event loop. Call it in a thread from within another loop.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError, TimeoutError: the database is away.
    """
    command.upgrade(alembic_config(database_url), "head")


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for one database."""
    config = Config(_CONFIG)
    config.attributes["database_url"] = database_url
    return config


async def is_current(db: AsyncSession) -> bool:
    """Whether a database has the newest schema this code knows. A newer schema counts as current."""
    if await db.scalar(text("select to_regclass('alembic_version')")) is None:
        return False
    found = await db.scalar(text("select version_num from alembic_version"))
    return found is not None and found not in _older_revisions()


@cache
def _older_revisions() -> frozenset[str]:
    scripts = ScriptDirectory.from_config(Config(_CONFIG))
    return frozenset({script.revision for script in scripts.walk_revisions()} - set(scripts.get_heads()))


def is_outdated(error: BaseException) -> bool:
    """Whether a statement failed because the schema lacks a table or column that it names."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _MISSING
