"""The words by which staff find a booking, folded: accents, apostrophes and case make no difference.

Both sides of a search use this module: a booking's words are stored with it, and a search's words are compared with
their beginnings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from types import MappingProxyType
from typing import Final

_APOSTROPHES: Final = MappingProxyType(dict.fromkeys(map(ord, "'`´‘’ʻʼ′＇")))
# Letters that Unicode does not take apart.
_LETTERS: Final = MappingProxyType(
    str.maketrans(
        {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"}
    )
)
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTH: Final = "(" + "|".join(rf"{name[:3]}(?:{name[3:]})?" for name in _MONTHS) + r"|sept)\.?"
_NUMERIC_DATE: Final = re.compile(r"(?<![\w./])(\d{1,2})([./])(\d{1,2})(?:\2(\d{4}))(?![\w./])")
_DAY_AND_MONTH: Final = re.compile(r"(?<![\w./])(\d{1,2})/(\d{1,2})(?![\w./])")
_DAY_FIRST: Final = re.compile(rf"(?<!\S)(\d{{1,2}})\s+{_MONTH}(?:\s+(20\d\d))?(?!\S)")
_MONTH_FIRST: Final = re.compile(rf"(?<!\S){_MONTH}\s+(\d{{1,2}})(?:,?\s+(20\d\d))?(?!\S)")
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL_COMMA: Final = re.compile(r"(?<=\d),(?=\d{2}(?!\d))")
_PARTS: Final = re.compile(r"[^\w]+")
_HYPHENS: Final = re.compile(r"[-‐‑–]")


def fold(text: str) -> str:
    """Fold a text: `Seán O'Connor` becomes `sean oconnor`."""
    apart = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES))
    bare = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return bare.casefold().translate(_LETTERS)


def booking_words(
    *, booking_id: str, names: tuple[str, ...], email: str, days: tuple[date, ...], amount: str
) -> list[str]:
    """The words under which a booking is found, sorted.

    A search finds the beginning of each: of a name's parts, of the e-mail address and what follows each sign in it, of
    the groups of the booking's id.

    Args:
        days: check-in and check-out; found in full, without the year, and by the month's name.
        amount: the total as a decimal number.
    """
    words = {amount}
    for day in days:
        words |= {day.isoformat(), f"{day:%m-%d}", _MONTHS[day.month - 1]}
    # An apostrophe parts a name too: `connor` finds O'Connor.
    parted = (name.translate(dict.fromkeys(_APOSTROPHES, " ")) for name in names)
    for text in (booking_id, email, *names, *parted):
        for word in fold(text).split():
            words.update(_ends(word))
    return sorted(words)


def search_words(text: str) -> list[str]:
    """The words of a search; a booking has to have each of them, in any order.

    Dates such as `24/12/2026`, `24 Dec` or `December 24, 2026` are one word; so are amounts such as `€1,500.00`.
    """
    folded = "".join(letter for letter in fold(text) if unicodedata.category(letter) != "Sc")
    folded = _THOUSANDS.sub("", folded)
    folded = _NUMERIC_DATE.sub(lambda found: _day(found[4], found[3], found[1]), folded)
    folded = _DAY_AND_MONTH.sub(lambda found: _day(None, found[2], found[1]), folded)
    folded = _DAY_FIRST.sub(lambda found: _day(found[3], _number(found[2]), found[1]), folded)
    folded = _MONTH_FIRST.sub(lambda found: _day(found[3], _number(found[1]), found[2]), folded)
    return list(_split(_DECIMAL_COMMA.sub(".", folded)))


def _split(text: str) -> Iterator[str]:
    for word in text.split():
        if any(letter.isdigit() for letter in word):
            yield word
        else:
            # `anne-marie` also finds Anne Marie.
            yield from filter(None, _HYPHENS.split(word))


def _ends(word: str) -> Iterator[str]:
    """A word, and what follows each sign in it."""
    yield word
    for sign in _PARTS.finditer(word):
        if rest := word[sign.end() :]:
            yield rest


def _number(month: str) -> str:
    return str(next(number for number, name in enumerate(_MONTHS, 1) if name.startswith(month[:3])))


def _day(year: str | None, month: str, day: str) -> str:
    return f"{year + '-' if year else ''}{int(month):02}-{int(day):02}"
