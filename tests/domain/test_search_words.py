"""Words of a search: folded on both sides, dates and amounts as people write them."""

from __future__ import annotations

from datetime import date

import pytest

from domain.search_words import booking_words, fold, search_words

WORDS = booking_words(
    booking_id="BK-7Q2M9-XKD4T-ZRW3H",
    names=("Seán", "O'Connor-Łuczak"),
    email="sean.oc@mail.example.com",
    days=(date(2026, 12, 24), date(2027, 1, 2)),
    amount="1500.00",
)


def finds(text: str) -> bool:
    wanted = search_words(text)
    return bool(wanted) and all(any(word.startswith(each) for word in WORDS) for each in wanted)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Seán", "sean"),
        ("Sea\u0301n", "sean"),
        ("O'Connor", "oconnor"),
        ("O’CONNOR", "oconnor"),
        ("Straße", "strasse"),
        ("Øst", "ost"),
        ("Ｔｏｍ", "tom"),
    ],
)
def test_accents_apostrophes_and_case_make_no_difference(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    "text",
    [
        *("sean", "SEÁN", "oconnor", "o'connor", "o’conn", "connor", "luczak", "O Connor"),
        *("connor sean", "sean.oc@", "sean.oc@mail.ex", "example.com", "oc@mail"),
        *("7q2m9", "xkd4t-zrw", "bk-7q2m9-xkd4t-zrw3h"),
        *("2026-12-24", "24/12/2026", "24.12.2026", "24/12", "24 dec", "24 December 2026", "Dec 24, 2026"),
        *("december", "2 jan 2027", "2027-01"),
        *("1500", "1500.00", "€1,500.00", "€1,500", "1500,00"),
        "sean 24 dec €1,500",
    ],
)
def test_a_booking_is_found(text: str) -> None:
    assert finds(text)


@pytest.mark.parametrize(
    "text", ["nora", "sean nora", "24/11", "24 jan", "2026-12-25", "€500", "'", "€", "   ", "q2m9", "ean"]
)
def test_others_are_not(text: str) -> None:
    assert not finds(text)


def test_a_name_of_two_words_is_found_by_its_hyphenated_form() -> None:
    assert search_words("Anne-Marie") == ["anne", "marie"]
