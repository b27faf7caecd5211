"""Commands that look up and change hotels later: `hotel list|show`, `room-type set|list`, `staff set-password`."""

from __future__ import annotations

import secrets

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from sqlmodel import col

from models import Hotel, RoomType, Staff
from storage.account_tables import RecoveryCode, SecondFactor
from tests.management.harness import ManagementHarness, eventually
from tests.workflows.servers import Json

ROOM = ("--name", "Double", "--price-per-night", "120.50", "--max-guests", "2", "--rooms", "4")


@pytest.fixture
async def grand(shared_harness: ManagementHarness) -> str:
    """The slug of a hotel with a room type `double` and someone on its staff."""
    slug = f"grand-{secrets.token_hex(4)}"
    terms = ("--name", "The Grand", "--currency", "EUR", "--timezone", "Europe/Dublin")
    await shared_harness.done("hotel", "add", slug, *terms)
    await shared_harness.done("room-type", "add", "--hotel", slug, "--code", "double", *ROOM)
    person = ("--hotel", slug, "--email", f"anna@{slug}.test", "--role", "manager")
    await shared_harness.done("staff", "add", *person, "--password", "correct-horse")
    return slug


async def _refusal(harness: ManagementHarness, status: int, *arguments: str) -> str:
    result = await harness.run(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    return result.stderr


async def _double(harness: ManagementHarness, slug: str) -> tuple[str, int, int, int]:
    hotel_id = select(col(Hotel.id)).where(col(Hotel.slug) == slug).scalar_subquery()
    async with harness.database.reading() as db:
        row = (await db.scalars(select(RoomType).where(col(RoomType.hotel_id) == hotel_id))).one()
    return row.name, row.price_per_night_minor, row.max_guests, row.rooms


async def _anna(harness: ManagementHarness, slug: str) -> Staff:
    async with harness.database.reading() as db:
        return (await db.scalars(select(Staff).where(col(Staff.email) == f"anna@{slug}.test"))).one()


def _words(text: str) -> str:
    return " ".join(text.split())


# --- hotels ---


async def test_hotels_are_listed(shared_harness: ManagementHarness, grand: str) -> None:
    assert f"{grand} The Grand EUR Europe/Dublin" in _words(await shared_harness.done("hotel", "list"))


async def test_a_hotel_is_shown_in_the_terms_it_is_set_with(
    shared_harness: ManagementHarness, grand: str
) -> None:
    await shared_harness.done("hotel", "set", grand, "--approval-sla-s", "3600")
    words = _words(await shared_harness.done("hotel", "show", grand))
    for line in (
        "currency EUR",
        "approval-sla-s 3600",
        "contact-email –",
        "double Double 120.50 2 4",
        f"/hotels/{grand}/",
    ):
        assert line in words, line


async def test_a_hotels_own_words_are_set(shared_harness: ManagementHarness, grand: str) -> None:
    words = ("--address", "1 Lake Road, Killarney", "--directions", "Past the church.")
    arguments = ("hotel", "set", grand, *words, "--location", "52.0599, -9.5044")
    await shared_harness.done(*arguments)
    assert "nothing changed" in await shared_harness.done(*arguments)
    said = _words(await shared_harness.done("hotel", "show", grand))
    assert "address 1 Lake Road, Killarney directions Past the church. location 52.059900,-9.504400" in said
    for option, value in (("--location", "Killarney"), ("--contact-phone", "call us")):
        await _refusal(shared_harness, 2, "hotel", "set", grand, option, value)


@pytest.mark.parametrize("command", [("hotel", "show"), ("room-type", "list", "--hotel")])
async def test_a_hotel_that_is_not_there(shared_harness: ManagementHarness, command: tuple[str, ...]) -> None:
    said = await _refusal(shared_harness, 1, *command, "nowhere")
    assert said == "There is no hotel nowhere. `hotel list` lists them.\n"


# --- room types ---


async def test_room_types_are_listed(shared_harness: ManagementHarness, grand: str) -> None:
    said = await shared_harness.done("room-type", "list", "--hotel", grand)
    assert "double Double 120.50 2 4" in _words(said)
    empty = f"{grand}-empty"
    terms = ("--name", "Empty", "--currency", "JPY", "--timezone", "Asia/Tokyo")
    await shared_harness.done("hotel", "add", empty, *terms)
    said = await shared_harness.done("room-type", "list", "--hotel", empty)
    assert said == f"{empty} has no room types. `room-type add` adds one.\n"


async def test_a_room_type_is_set_once(shared_harness: ManagementHarness, grand: str) -> None:
    """An omitted option stays as it is."""
    arguments = ("room-type", "set", "--hotel", grand, "--code", "double", "--price-per-night", "130")
    said = await shared_harness.done(*arguments)
    assert said == f"{grand}'s room type double: price_per_night 120.50 → 130.00 EUR.\n"
    assert await _double(shared_harness, grand) == ("Double", 13000, 2, 4)
    said = await shared_harness.done(*arguments)
    assert said == f"{grand}'s room type double is so already; nothing changed.\n"
    others = ("--name", "Twin", "--max-guests", "3", "--rooms", "5", "--price-per-night", "130.00")
    said = await shared_harness.done(*arguments[:-2], *others)
    assert said == f"{grand}'s room type double: name Double → Twin, max_guests 2 → 3, rooms 4 → 5.\n"
    assert await _double(shared_harness, grand) == ("Twin", 13000, 3, 5)


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ((), 2, "nothing to set"),
        (("--price-per-night", "120.505"), 2, "more decimals than EUR"),
        (("--price-per-night", "0.10"), 2, "is below the"),
        (("--rooms", "0"), 2, "than or equal to 1"),
        (("--max-guests", "101"), 2, "or equal to 100"),
        (("--name", ""), 2, "1 to 200"),
        (("--code", "attic", "--rooms", "1"), 1, "has no room type attic. `room-type list"),
        (("--hotel", "nowhere", "--rooms", "1"), 1, "There is no hotel nowhere"),
    ],
)
async def test_a_room_type_that_cannot_be(
    shared_harness: ManagementHarness, grand: str, options: tuple[str, ...], status: int, words: str
) -> None:
    named = ("room-type", "set", "--hotel", grand, "--code", "double")
    assert words in await _refusal(shared_harness, status, *named, *options)
    assert await _double(shared_harness, grand) == ("Double", 12050, 2, 4)


# --- passwords ---


async def test_a_password_is_set_and_ends_log_ins(shared_harness: ManagementHarness, grand: str) -> None:
    """Setting the same one again ends none."""
    arguments = ("staff", "set-password", "--email", f"Anna@{grand}.test", "--password", "another-horse")
    before = await _anna(shared_harness, grand)
    said = await shared_harness.done(*arguments)
    assert said == f"Password of anna@{grand}.test set; their log-ins have ended.\n"
    after = await _anna(shared_harness, grand)
    assert PasswordHasher().verify(after.password_hash, "another-horse")
    assert after.credentials_version == before.credentials_version + 1
    assert "nothing changed" in await shared_harness.done(*arguments)
    assert (await _anna(shared_harness, grand)).credentials_version == after.credentials_version


async def test_a_password_is_made_up(shared_harness: ManagementHarness, grand: str) -> None:
    said = await shared_harness.done("staff", "set-password", "--email", f"anna@{grand}.test", "--generate")
    password = said.strip().rpartition("Password: ")[2]
    assert PasswordHasher().verify((await _anna(shared_harness, grand)).password_hash, password)


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--password", "hunter2"), 2, "8 to 200 characters"),
        (("--password", "another-horse", "--generate"), 2, "not both"),
        (("--password", "another-horse", "--email", "nobody@example.com"), 1, "There is no staff account"),
    ],
)
async def test_a_password_that_cannot_be(
    shared_harness: ManagementHarness, grand: str, options: tuple[str, ...], status: int, words: str
) -> None:
    named = ("staff", "set-password", "--email", f"anna@{grand}.test")
    said = await _refusal(shared_harness, status, *named, *options)
    assert words in said
    assert "hunter2" not in said
    row = await _anna(shared_harness, grand)
    assert row.credentials_version == 1
    assert PasswordHasher().verify(row.password_hash, "correct-horse")


async def test_a_closed_log_in_stays_closed(shared_harness: ManagementHarness, grand: str) -> None:
    async with shared_harness.database.transaction() as db:
        row = (await db.scalars(select(Staff).where(col(Staff.email) == f"anna@{grand}.test"))).one()
        row.active = False
    said = await shared_harness.done("staff", "set-password", "--email", row.email, "--generate")
    assert "Their log-in is closed" in said
    assert not (await _anna(shared_harness, grand)).active


async def test_somebody_is_invited_by_e_mail(shared_harness: ManagementHarness, grand: str) -> None:
    """The worker sends the link; someone with an account is not invited."""
    email = f"new@{grand}.test"
    named = ("staff", "invite", "--hotel", grand, "--role", "approver", "--email")
    said = await shared_harness.done(*named, email)
    assert said == f"{email} is invited to the staff of {grand} as approver; a worker sends the link.\n"

    async def look() -> list[Json]:
        found: list[Json] = await shared_harness.stand_ins.mail.ask(
            "GET", "/_sandbox/messages", params={"to": email}
        )
        return found

    [mail] = await eventually("the mail", look)
    assert "/staff/set-password/?code=" in mail["text"]
    assert "has an account already" in await _refusal(shared_harness, 1, *named, f"anna@{grand}.test")


async def test_a_lost_second_factor_is_reset(shared_harness: ManagementHarness, grand: str) -> None:
    before = await _anna(shared_harness, grand)
    assert before.id is not None
    named = ("staff", "reset-second-factor", "--email", f"anna@{grand}.test")
    assert "has no second factor" in await shared_harness.done(*named)
    async with shared_harness.database.transaction() as db:
        db.add(SecondFactor(staff_id=before.id, encrypted_secret="-", last_step=0))
        db.add(RecoveryCode(staff_id=before.id, code_hash="-"))
    said = await shared_harness.done(*named)
    assert said == f"Second factor of anna@{grand}.test removed; their log-ins have ended.\n"
    async with shared_harness.database.reading() as db:
        assert await db.get(SecondFactor, before.id) is None
        assert await db.get(RecoveryCode, (before.id, "-")) is None
    assert (await _anna(shared_harness, grand)).credentials_version == before.credentials_version + 1
