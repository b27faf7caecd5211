"""A hotel of each test's own, in the database that all tests of the process share."""

from __future__ import annotations

import pytest

from storage.database import Database
from tests.storage.rows import HotelRows, create_hotel


@pytest.fixture
async def hotel_rows(database: Database) -> HotelRows:
    """A hotel in Dublin that charges euros."""
    return await create_hotel(database)
