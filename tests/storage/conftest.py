"""A hotel of each test's own, in the database that all tests of the process share."""

from __future__ import annotations

import pytest

from storage.database import Database
from tests.storage.rows import House, open_house


@pytest.fixture
async def house(database: Database) -> House:
    """A hotel in Dublin that charges euros."""
    return await open_house(database)
