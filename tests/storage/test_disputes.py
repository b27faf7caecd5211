"""Disputes in the database: one row each, as Stripe showed it last."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.dispute import Dispute
from storage.database import Database
from storage.disputes import disputes_of, keep_disputes
from tests.storage.rows import T0, HotelRows, held

OPEN = Dispute("du_1", 15000, "EUR", "fraudulent", "needs_response", T0, T0 + timedelta(days=7))


async def _kept(database: Database, hotel_rows: HotelRows, *answers: list[Dispute]) -> list[Dispute]:
    """What is stored after these answers of Stripe; each dispute has an id of its own hotel."""
    booking = await held(database, hotel_rows)

    def own(dispute: Dispute) -> Dispute:
        return replace(dispute, dispute_id=f"{dispute.dispute_id}_{booking.booking_id}")

    async with database.transaction() as db:
        for answer in answers:
            await keep_disputes(db, booking.booking_id, "pi_1", [own(each) for each in answer])
    async with database.reading() as db:
        found = await disputes_of(db, booking.booking_id)
    return [replace(each, dispute_id=each.dispute_id.partition("_BK")[0]) for each in found]


async def test_the_last_answer_counts(database: Database, hotel_rows: HotelRows) -> None:
    later = replace(OPEN, status="under_review", amount_minor=9000, evidence_due_by=None)
    assert await _kept(database, hotel_rows, [OPEN], [OPEN], [later]) == [later]


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_an_older_answer_undoes_no_decision(
    database: Database, hotel_rows: HotelRows, outcome: str
) -> None:
    decided = replace(OPEN, status=outcome)
    under_review = replace(OPEN, status="under_review")
    assert await _kept(database, hotel_rows, [decided], [OPEN], [under_review]) == [decided]


async def test_a_decision_may_be_followed_by_an_appeal(database: Database, hotel_rows: HotelRows) -> None:
    appeal = replace(OPEN, status="appeal_needs_response")
    assert await _kept(database, hotel_rows, [replace(OPEN, status="lost")], [appeal]) == [appeal]


async def test_several_disputes_are_listed_newest_first(database: Database, hotel_rows: HotelRows) -> None:
    second = replace(OPEN, dispute_id="du_2", opened_at=T0 + timedelta(days=1))
    assert await _kept(database, hotel_rows, [OPEN, second]) == [second, OPEN]
