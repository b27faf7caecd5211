"""The product's database is restored from a dump, Temporal's is lost, or both; Stripe has gone on meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.drivers import StackClient, StaffDriver, wait_until
from sandbox.evidence import Json
from sandbox.stack import Stack
from tests.loss.drill import OF_OTHER_PROGRAMS, LossBookings, LossDrill, addresses, figures
from tests.whole_stack import HOTEL, PASSWORD

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def stack(stack_folder: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    with Stack(stack_folder / request.node.name) as stack:
        stack.manage("demo-data", DEMO_PASSWORD=PASSWORD)
        stack.manage("room-type", "set", "--hotel", HOTEL, "--code", "double", "--rooms", "100")
        yield stack


@pytest.fixture
async def bookings(stack: Stack) -> AsyncIterator[LossBookings]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        client = StackClient(http, addresses(stack))
        staff = await StaffDriver.log_in(client, HOTEL, f"manager@{HOTEL}.test", PASSWORD)
        yield await LossBookings.make(LossDrill(stack, client), staff)


def _facts(booking: Json) -> Json:
    """What must not be lost where Temporal's histories are left: all but free text and the time of the writing."""
    return {key: value for key, value in booking.items() if key not in {"updated_at", "reason_note"}}


def _counted(findings: list[Json]) -> str:
    return str(dict(Counter(f"{finding['kind']} {finding['outcome']}" for finding in findings)))


async def _heal(bookings: LossBookings, name: str) -> list[Json]:
    """Reconcile before the product starts, as the runbook says, and once more after that."""
    began = time.monotonic()
    first = bookings.drill.reconcile()
    bookings.drill.start_product()
    second = bookings.drill.reconcile()
    took_s = round(time.monotonic() - began)
    figures(name, {"first run": _counted(first), "second run": _counted(second), "seconds": took_s})
    return [*first, *second]


async def _lost_bookings_are_told(bookings: LossBookings, findings: list[Json]) -> None:
    held, confirmed = bookings.lost["new_held"].booking_id, bookings.lost["new_confirmed"].booking_id
    without = {f["booking_id"]: f["outcome"] for f in findings if f["kind"] == "payment_without_booking"}
    assert without == {held: "healed", confirmed: "left", **dict.fromkeys(OF_OTHER_PROGRAMS, "left")}
    assert await bookings.payment_status(held) == "canceled"
    assert await bookings.payment_status(confirmed) == "succeeded"
    for booking_id in OF_OTHER_PROGRAMS:
        assert await bookings.payment_status(booking_id) == "requires_capture"


async def _goes_on(bookings: LossBookings) -> None:
    """A hold is approved, a page is paid, a confirmed stay is cancelled."""
    await bookings.approve(bookings.kept["is_held"])
    await bookings.kept["waits"].pay()
    await bookings.kept["waits"].until("PENDING_APPROVAL")
    await bookings.kept["stays"].cancel()
    assert (await bookings.kept["stays"].until("CANCELLED"))["amount_refunded"] != "0.00"


async def test_database_of_the_product_is_restored_from_an_older_dump(bookings: LossBookings) -> None:
    """Each row the dump has follows its workflow again; bookings made after it are lost with their guests."""
    bookings.drill.dump()
    await bookings.go_on()
    before = await bookings.read()
    bookings.drill.stop_product()
    bookings.drill.restore()
    findings = await _heal(bookings, "product's database restored")
    after = await bookings.read()
    assert {name: _facts(booking) for name, booking in after.items()} == {
        name: _facts(booking) for name, booking in before.items()
    }
    await _lost_bookings_are_told(bookings, findings)
    await _goes_on(bookings)


async def test_temporals_database_is_lost(bookings: LossBookings) -> None:
    """Every open booking gets another workflow; no row changes."""
    await bookings.go_on()
    before = await bookings.read()
    bookings.drill.stop_product()
    bookings.drill.lose_temporal()
    await _heal(bookings, "Temporal's database lost")
    after = await bookings.read()
    assert {name: _facts(booking) for name, booking in after.items()} == {
        name: _facts(booking) for name, booking in before.items()
    }
    await _goes_on(bookings)
    await bookings.lost["new_confirmed"].cancel()
    await bookings.lost["new_confirmed"].until("CANCELLED")


async def test_both_databases(bookings: LossBookings) -> None:
    """Only Stripe knows what happened: each booking follows its money, and a cancelled stay is confirmed again."""
    bookings.drill.dump()
    await bookings.go_on()
    bookings.drill.stop_product()
    bookings.drill.restore()
    bookings.drill.lose_temporal()
    findings = await _heal(bookings, "both databases")
    expected = {
        "waits": "PENDING_PAYMENT",
        "pays": "PENDING_APPROVAL",
        "is_held": "PENDING_APPROVAL",
        "is_approved": "CONFIRMED",
        "is_declined": "DECLINED",
        "is_cancelled": "CONFIRMED",
        "stays": "CONFIRMED",
        "is_submitted": "PENDING_APPROVAL",
    }
    await wait_until(
        bookings.statuses, lambda seen: seen == expected, what="every booking to follow its money"
    )
    seen = await bookings.read()
    assert seen["is_cancelled"]["amount_refunded"] == seen["is_cancelled"]["amount"]
    assert seen["is_approved"]["timeline"][-1]["event"] == "captured_outside"
    assert seen["is_declined"]["reason_code"] == "AUTHORIZATION_EXPIRED"
    await _lost_bookings_are_told(bookings, findings)
    await _goes_on(bookings)
