"""Setting a product up: `migrate`, `hotel`, `room-type`, `staff`, `demo-data`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from argon2 import PasswordHasher
from sqlalchemy import Connection, inspect, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel, col
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import ScheduleActionStartWorkflow

import models  # noqa: F401  fills the metadata
from models import Hotel, RoomType, Staff
from storage.database import Database
from storage.database_url import async_url
from tests.conftest import NewDatabase
from tests.management.harness import ManagementHarness

HOTEL = ("--name", "The Grand", "--currency", "eur", "--timezone", "Europe/Dublin")
ROOM = ("--name", "Double", "--price-per-night", "120.50", "--max-guests", "2", "--rooms", "4")


@pytest.fixture
async def grand(shared_harness: ManagementHarness) -> str:
    """The slug of a hotel that was added."""
    slug = f"grand-{secrets.token_hex(4)}"
    assert await shared_harness.done("hotel", "add", slug, *HOTEL) == f"Hotel {slug} added.\n"
    return slug


async def _hotel(database: Database, slug: str) -> Hotel:
    async with database.transaction() as db:
        return (await db.scalars(select(Hotel).where(col(Hotel.slug) == slug))).one()


async def _of_hotel(database: Database, table: Any, slug: str) -> list[Any]:
    hotel = await _hotel(database, slug)
    async with database.transaction() as db:
        return list(await db.scalars(select(table).where(table.hotel_id == hotel.id).order_by(table.id)))


async def _refusal(harness: ManagementHarness, status: int, *arguments: str) -> str:
    result = await harness.run(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    return result.stderr


# --- migrate ---


async def test_migrate_makes_the_schema_the_models_describe(shared_harness: ManagementHarness) -> None:
    engine = create_async_engine(async_url(shared_harness.environment["DATABASE_URL"]))

    def differences(connection: Connection) -> tuple[list[Any], list[str]]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, SQLModel.metadata), inspect(connection).get_table_names()

    async with engine.connect() as connection:
        found, tables = await connection.run_sync(differences)
    await engine.dispose()
    assert found == []
    assert {"booking", "reconciliation_run", "reconciliation_finding"} < set(tables)


async def test_migrate_twice_changes_nothing(shared_harness: ManagementHarness) -> None:
    before = await shared_harness.done("migrate", TEMPORAL_TASK_QUEUE="nobody")
    assert await shared_harness.done("migrate", TEMPORAL_TASK_QUEUE="nobody") == before
    assert before.splitlines() == [
        "PostgreSQL: the schema is up to date.",
        "Temporal: the search attributes are registered.",
        "Temporal: the schedules are there.",
    ]


async def test_migrate_tells_temporal_what_it_has_to_know(shared_harness: ManagementHarness) -> None:
    client = shared_harness.client
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    assert {"BookingStatus", "HotelSlug", "NeedsAttention"} <= set(known.custom_attributes)
    for schedule, minutes in (("sweep", 1), ("reconcile", 15)):
        description = await client.get_schedule_handle(schedule).describe()
        [interval] = description.schedule.spec.intervals
        assert interval.every.total_seconds() == minutes * 60


async def test_schedules_follow_the_configuration(shared_harness: ManagementHarness) -> None:
    """Another task queue moves them; what an operator paused stays paused. Every run has an end."""
    sweep = shared_harness.client.get_schedule_handle("sweep")
    await sweep.pause(note="Stripe is being moved")
    try:
        await shared_harness.done("migrate", TEMPORAL_TASK_QUEUE="another-queue")
        for id_, ends_after in (("sweep", timedelta(minutes=10)), ("reconcile", timedelta(hours=3))):
            description = await shared_harness.client.get_schedule_handle(id_).describe()
            action = description.schedule.action
            assert isinstance(action, ScheduleActionStartWorkflow)
            assert (action.task_queue, action.run_timeout) == ("another-queue", ends_after)
        state = (await sweep.describe()).schedule.state
        assert (state.paused, state.note) == (True, "Stripe is being moved")
    finally:
        await sweep.unpause()
        await shared_harness.done("migrate", TEMPORAL_TASK_QUEUE="nobody")


# --- hotels ---


async def test_a_hotel_gets_the_products_terms(shared_harness: ManagementHarness, grand: str) -> None:
    hotel = await _hotel(shared_harness.database, grand)
    assert (hotel.name, hotel.currency, hotel.timezone) == ("The Grand", "EUR", "Europe/Dublin")
    assert (hotel.approval_sla_s, hotel.payment_window_s, hotel.cutoff_days_before, hotel.cutoff_hour) == (
        86400,
        86400,
        0,
        22,
    )
    assert (hotel.check_in_hour, hotel.check_out_hour) == (15, 11)
    assert (hotel.free_cancel_days, hotel.late_cancel_fee_percent) == (2, 100)


async def test_adding_a_hotel_again_changes_nothing(shared_harness: ManagementHarness, grand: str) -> None:
    said = await shared_harness.done("hotel", "add", grand, *HOTEL)
    assert said == f"Hotel {grand} exists already with these values; nothing changed.\n"
    said = await _refusal(shared_harness, 1, "hotel", "add", grand, *HOTEL, "--approval-sla-s", "60")
    assert "with other values: approval_sla_s is 86400, not 60. Nothing changed" in said
    assert (await _hotel(shared_harness.database, grand)).approval_sla_s == 86400


async def test_a_hotels_terms_are_set(shared_harness: ManagementHarness, grand: str) -> None:
    terms: Mapping[str, tuple[str, Any]] = {
        "name": ("The Grander", "The Grander"),
        "currency": ("JPY", "JPY"),
        "timezone": ("Asia/Tokyo", "Asia/Tokyo"),
        "approval_sla_s": ("3600", 3600),
        "payment_window_s": ("1800", 1800),
        "cutoff_days_before": ("1", 1),
        "cutoff_hour": ("24", 24),
        "check_in_hour": ("16", 16),
        "check_out_hour": ("10", 10),
        "free_cancel_days": ("7", 7),
        "late_cancel_fee_percent": ("50", 50),
    }
    options = ["--long-holds", "--managers-need-second-factor"]
    options += [part for name, (text, _) in terms.items() for part in (f"--{name.replace('_', '-')}", text)]
    said = await shared_harness.done("hotel", "set", grand, *options)
    assert "approval_sla_s 86400 → 3600" in said
    hotel = await _hotel(shared_harness.database, grand)
    assert {name: getattr(hotel, name) for name in terms} == {
        name: value for name, (_, value) in terms.items()
    }
    assert hotel.long_holds
    assert hotel.managers_need_second_factor
    assert "is so already" in await shared_harness.done("hotel", "set", grand, *options)
    assert "long_holds True → False" in await shared_harness.done("hotel", "set", grand, "--no-long-holds")


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--currency", "KWD"), 2, "three decimals"),
        (("--currency", "XXX"), 2, "ISO 4217"),
        (("--timezone", "Mars/Base"), 2, "IANA"),
        (("--late-cancel-fee-percent", "101"), 2, "equal to 100"),
        (("--name", " "), 2, "1 to 200"),
        ((), 2, "nothing to set"),
        (("--no-cutoff",), 2, "No such option"),
        (("--cutoff-hour", "25"), 2, "equal to 24"),
    ],
)
async def test_what_cannot_be_is_refused(
    shared_harness: ManagementHarness, grand: str, options: tuple[str, ...], status: int, words: str
) -> None:
    assert words in await _refusal(shared_harness, status, "hotel", "set", grand, *options)


async def test_a_currency_with_prices_in_it_stays(shared_harness: ManagementHarness, grand: str) -> None:
    await shared_harness.done("room-type", "add", "--hotel", grand, "--code", "double", *ROOM)
    said = await _refusal(shared_harness, 1, "hotel", "set", grand, "--currency", "JPY")
    assert "its currency cannot change" in said


async def test_no_such_hotel(shared_harness: ManagementHarness) -> None:
    said = await _refusal(shared_harness, 1, "hotel", "set", "nowhere", "--name", "Nowhere")
    assert said == "There is no hotel nowhere. `hotel add nowhere` adds it.\n"


# --- rooms and staff ---


async def test_a_room_type_is_added_once(shared_harness: ManagementHarness, grand: str) -> None:
    arguments = ("room-type", "add", "--hotel", grand, "--code", "double", *ROOM)
    assert "added" in await shared_harness.done(*arguments)
    assert "nothing changed" in await shared_harness.done(*arguments)
    said = await _refusal(shared_harness, 1, *arguments[:-1], "5")
    assert "rooms is 4, not 5" in said
    [room] = await _of_hotel(shared_harness.database, RoomType, grand)
    assert (room.code, room.price_per_night_minor, room.max_guests, room.rooms) == ("double", 12050, 2, 4)


async def test_a_price_has_its_currencys_decimals(shared_harness: ManagementHarness, grand: str) -> None:
    arguments = ["room-type", "add", "--hotel", grand, "--code", "double", *ROOM]
    arguments[arguments.index("120.50")] = "120.505"
    assert "decimals" in await _refusal(shared_harness, 2, *arguments)


async def test_staff_are_added_once_and_belong_to_one_hotel(
    shared_harness: ManagementHarness, grand: str
) -> None:
    email = f"Anna@{grand}.test"
    arguments = ("staff", "add", "--hotel", grand, "--email", email, "--role", "approver")
    assert "added" in await shared_harness.done(*arguments, "--password", "correct-horse")
    assert "nothing changed" in await shared_harness.done(*arguments, "--password", "correct-horse")
    assert "nothing changed" in await shared_harness.done(*arguments)
    said = await _refusal(shared_harness, 1, *arguments, "--password", "another-horse")
    assert "with another password" in said
    assert "another-horse" not in said
    said = await _refusal(shared_harness, 1, *arguments[:-1], "viewer")
    assert "role is approver, not viewer" in said
    [person] = await _of_hotel(shared_harness.database, Staff, grand)
    assert (person.email, person.role) == (email.lower(), "approver")
    assert PasswordHasher().verify(person.password_hash, "correct-horse")

    await shared_harness.done("hotel", "add", f"{grand}-two", *HOTEL)
    other = ("staff", "add", "--hotel", f"{grand}-two", "--email", email, "--role", "viewer")
    said = await _refusal(shared_harness, 1, *other, "--password", "correct-horse")
    assert "belongs to one hotel" in said


async def test_a_short_password_is_refused_and_not_repeated(
    shared_harness: ManagementHarness, grand: str
) -> None:
    arguments = ("staff", "add", "--hotel", grand, "--email", f"bo@{grand}.test", "--role", "viewer")
    said = await _refusal(shared_harness, 2, *arguments, "--password", "hunter2")
    assert "8 to 200 characters" in said
    assert "hunter2" not in said


# --- demo data ---


async def test_demo_data_twice(harness: ManagementHarness) -> None:
    first = await harness.done("demo-data", DEMO_PASSWORD=None)
    assert "Password of viewer@hotel-killarney.test" in first
    second = await harness.done("demo-data", DEMO_PASSWORD="only-for-this-test")
    assert second.startswith("The demo's hotels, rooms and staff exist already.")
    assert "only-for-this-test" not in second
    for slug, currency in (("hotel-killarney", "EUR"), ("kyoto-inn", "JPY")):
        assert (await _hotel(harness.database, slug)).currency == currency
        rooms = await _of_hotel(harness.database, RoomType, slug)
        assert [room.code for room in rooms] == ["double", "suite"]
        people = await _of_hotel(harness.database, Staff, slug)
        assert {person.email: person.role for person in people} == {
            f"{role}@{slug}.test": role for role in ("viewer", "approver", "manager")
        }
        assert all(PasswordHasher().verify(person.password_hash, "only-for-this-test") for person in people)


async def test_an_unmigrated_database_says_what_to_do(
    shared_harness: ManagementHarness, new_database: NewDatabase
) -> None:
    said = await shared_harness.run("hotel", "set", "a", "--name", "A", DATABASE_URL=await new_database())
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == (
        "PostgreSQL: the database's schema is not up to date: run `python manage.py migrate`\n"
    )
