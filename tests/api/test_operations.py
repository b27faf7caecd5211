"""Health, figures, documentation, the log, and what every answer has in common."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.roles import Role
from logs import JsonLines
from storage.database import Database
from storage.housekeeping import SWEEP_JOB, record_complete
from storage.tables import ReconciliationRun
from tests.api.events import post_event, unknown_event
from tests.api.hotels import PASSWORD, PERSON, HotelDriver
from tests.api.problems import assert_problem
from tests.api.stack import ApiStack, another_api
from tests.conftest import NewDatabase

# --- health and figures -----------------------------------------------------------------------------------


async def test_health(stack: ApiStack) -> None:
    """The process lives, and what it depends on is there."""
    alive = await stack.http.get(f"{stack.api}/healthz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    ready = await stack.http.get(f"{stack.api}/readyz")
    assert ready.status_code == 200
    parts = {name: ready.json()[name] for name in ("status", "database", "temporal", "worker")}
    assert parts == {"status": "ok", "database": "ok", "temporal": "ok", "worker": "ok"}
    for path in ("healthz", "readyz"):
        head = await stack.http.head(f"{stack.api}/{path}")
        assert (head.status_code, head.content) == (200, b""), "load balancers ask so"


async def test_an_unmigrated_database(
    stack: ApiStack, new_database: NewDatabase, log: pytest.LogCaptureFixture
) -> None:
    """Operators read what to do; guests read that it is no fault of theirs."""
    async with another_api(stack, database_url=await new_database()) as api:
        ready = assert_problem(await stack.http.get(f"{api}/readyz"), 503, "database_unavailable")
        hotel = await stack.http.get(f"{api}/api/public/hotel/hotel-killarney/")
        metrics = await stack.http.get(f"{api}/metrics")
    assert "run `python manage.py migrate`" in ready["detail"]
    assert "migrate" not in assert_problem(hotel, 503, "database_unavailable")["detail"]
    assert metrics.status_code == 200
    assert "run `python manage.py migrate`" in log.text


async def test_last_complete_runs_are_told(
    stack: ApiStack, new_database: NewDatabase, migrated_template: str
) -> None:
    """Never is null and NaN; after that, when. Runs that were not complete, and dry ones, do not count."""
    url = await new_database(template=migrated_template)
    database = Database(url)
    swept, reconciled = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2027, 2, 3, 4, 5, 6, tzinfo=UTC)
    async with another_api(stack, database_url=url) as api:
        before = (await stack.http.get(f"{api}/readyz")).json()
        never = (await stack.http.get(f"{api}/metrics")).text
        async with database.transaction() as db:
            await record_complete(db, SWEEP_JOB, swept - timedelta(minutes=1))
            await record_complete(db, SWEEP_JOB, swept)
            for days, complete, dry_run in ((0, True, False), (1, False, False), (2, True, True)):
                at = reconciled + timedelta(days=days)
                db.add(
                    ReconciliationRun(
                        run_id=f"run-{days}", started_by="schedule", started_at=at, finished_at=at, since=at,
                        complete=complete, dry_run=dry_run,
                    )
                )  # fmt: skip
        after = (await stack.http.get(f"{api}/readyz")).json()
        found = await figures(stack, api)
    await database.close()
    assert (before["last_complete_sweep"], before["last_complete_reconciliation"]) == (None, None)
    assert "sweep_last_complete_timestamp_seconds NaN" in never
    assert after["last_complete_sweep"] == "2027-01-02T03:04:05Z"
    assert after["last_complete_reconciliation"] == "2027-02-03T04:05:06Z"
    assert found["sweep_last_complete_timestamp_seconds"] == swept.timestamp()
    assert found["reconciliation_last_complete_timestamp_seconds"] == reconciled.timestamp()


async def figures(stack: ApiStack, api: str) -> dict[str, float]:
    """The samples that Prometheus would read, by series."""
    response = await stack.http.get(f"{api}/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    lines = (line for line in response.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


async def test_figures(hotel: HotelDriver) -> None:
    """Requests are counted by route, never by address; whatever a caller makes up is no label."""
    stack = hotel.stack
    async with another_api(stack) as api:
        guest = await hotel.draft()
        url = f"{api}/api/public/hotel/{hotel.slug}/room-bookings/{guest.booking_id}/"
        await stack.http.get(url)
        await stack.http.get(url, headers={"Authorization": f"Bearer {guest.token}"})
        await stack.http.get(f"{api}/made-up/{guest.token}")
        await stack.http.request("BREW", f"{api}/healthz")
        await post_event(stack.http, api, unknown_event())
        found = await figures(stack, api)
        text = (await stack.http.get(f"{api}/metrics")).text
    route = "/api/public/hotel/{slug}/room-bookings/{booking_id}/"
    assert found[f'http_requests_total{{method="GET",route="{route}",status="200"}}'] == 1
    assert found[f'http_requests_total{{method="GET",route="{route}",status="401"}}'] == 1
    assert found['http_requests_total{method="GET",route="unmatched",status="404"}'] == 1
    assert found[f'http_request_duration_seconds_count{{method="GET",route="{route}"}}'] == 2
    assert "stripe_inbox_backlog" in found
    assert "BREW" not in text
    for private in (guest.booking_id, guest.token, hotel.slug):
        assert private not in text


# --- the log ----------------------------------------------------------------------------------------------


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged, from INFO on, by anyone but the stand-ins' own client."""
    caplog.set_level(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    yield caplog
    logging.getLogger("httpx").setLevel(logging.NOTSET)


async def test_one_line_per_request(hotel: HotelDriver, log: pytest.LogCaptureFixture) -> None:
    """Method, route, status, time and the request's id, as JSON."""
    log.clear()
    given = "Root=1-67891233-abcdef01/of+the:caller.1"
    response = await hotel.stack.http.get(f"{hotel.url}/", headers={"X-Request-ID": given})
    assert response.headers["x-request-id"] == given
    [record] = [record for record in log.records if record.name == "api.access"]
    line = json.loads(JsonLines().format(record))
    assert line.pop("ms") >= 0
    assert datetime.fromisoformat(line.pop("at")).tzinfo is not None
    assert line == {
        "level": "INFO",
        "logger": "api.access",
        "message": "request answered",
        "method": "GET",
        "route": "/api/public/hotel/{slug}/",
        "status": 200,
        "request_id": given,
    }


async def test_nothing_private_is_logged(hotel: HotelDriver, log: pytest.LogCaptureFixture) -> None:
    """No name, address, note, token, password or query string, by API and worker, through a whole stay."""
    stack, note = hotel.stack, "The roof has gone"
    guest = await hotel.held(special_requests="Facing the sea")
    staff = await hotel.staff(Role.MANAGER)
    session_id = guest.session_id
    await guest.verify()
    await staff.ask("GET", "", params={"q": PERSON["last_name"]})
    await stack.http.get(f"{hotel.bookings_url}{guest.booking_id}/?token={guest.token}")
    await stack.http.get(f"{stack.api}/{guest.token}/{PERSON['email']}")
    await stack.http.post(hotel.bookings_url, json=hotel.wish(guest={**PERSON, "email": "Not-An-Address"}))
    form = {"username": PERSON["email"], "password": "Wrong-Guess"}
    await stack.http.post(f"{stack.api}/api/staff/auth/token/", data=form)
    await staff.decline(guest.booking_id, "OTHER", note)
    await guest.until("DECLINED")
    lines = {record: JsonLines().format(record) for record in log.records}
    text = "\n".join(lines.values())
    assert '"status": 200' in text
    private = [*PERSON.values(), "Facing the sea", note, guest.token, staff.token]
    private += [staff.email, PASSWORD, "Wrong-Guess", "Not-An-Address", hotel.slug, str(session_id)]
    by_us = [line for record, line in lines.items() if record.name.startswith("api")]
    assert [word for word in private if any(word in line for line in by_us)] == []
    # Lines of Temporal and the worker contain the hotel's slug and the session's id; no line is about people.
    about_people = [word for word in private if word not in {hotel.slug, str(session_id)}]
    assert [word for word in about_people if word in text] == []


# --- errors and headers -----------------------------------------------------------------------------------


async def test_nothing_there(stack: ApiStack) -> None:
    """404 and 405 are problems like all others; `Allow` says what would do."""
    for path in ("/", "/api", "/api/public/hotel", "/api/public/hotel/x/y/", "/healthz/", "/%00", "/é"):
        response = await stack.http.get(stack.api + path)
        if response.status_code != 200:
            assert_problem(response, 404, "not_found")
    for method, path, allowed in (
        ("POST", "/healthz", "GET"),
        ("DELETE", "/api/public/hotel/x/", "GET"),
        ("GET", "/api/staff/auth/token/", "POST"),
        ("GET", "/api/public/hotel/room-bookings/stripe-webhook/", "POST"),
    ):
        response = await stack.http.request(method, stack.api + path)
        assert_problem(response, 405, "method_not_allowed")
        assert response.headers["allow"] == allowed


async def test_paths_end_in_a_slash(hotel: HotelDriver) -> None:
    """Without it there is nothing, and no redirect that would drop a body or a token."""
    guest = await hotel.draft()
    headers = {"Authorization": f"Bearer {guest.token}"}
    response = await hotel.stack.http.get(hotel.bookings_url + guest.booking_id, headers=headers)
    assert_problem(response, 404, "not_found")


async def test_headers_of_every_answer(hotel: HotelDriver) -> None:
    """An id of its own, nothing for caches, nothing for other sites; the server does not tell its name."""
    http, guest = hotel.stack.http, await hotel.draft()
    headers = {"Authorization": f"Bearer {guest.token}"}
    answers = await asyncio.gather(
        http.get(f"{hotel.bookings_url}{guest.booking_id}/", headers=headers),
        http.get(f"{hotel.bookings_url}{guest.booking_id}/"),
        http.get(f"{hotel.stack.api}/nothing"),
        http.post(hotel.bookings_url, content=b"x" * ((1 << 20) + 1)),
    )
    assert [answer.status_code for answer in answers] == [200, 401, 404, 413]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 4
    for answer in answers:
        assert re.fullmatch(r"req_[0-9a-f]{16}", answer.headers["x-request-id"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


async def test_request_ids_that_are_none(stack: ApiStack) -> None:
    """A value that could forge a log line or a header is replaced."""
    for bad in ("", "a b", "x" * 129, '{"a":1}', "é"):
        headers = [(b"X-Request-ID", bad.encode())]
        answer = await stack.http.get(f"{stack.api}/healthz", headers=headers)
        assert answer.headers["x-request-id"].startswith("req_")


async def test_a_defect(
    stack: ApiStack, new_database: NewDatabase, migrated_template: str, log: pytest.LogCaptureFixture
) -> None:
    """500 with an id to report; the log says where, and not with which data."""
    database_url = await new_database(template=migrated_template)
    database = Database(database_url)
    async with database.transaction() as db:
        await db.execute(text("ALTER TABLE hotel ALTER COLUMN slug TYPE bytea USING slug::bytea"))
    await database.close()
    async with another_api(stack, database_url=database_url) as api:
        url = f"{api}/api/public/hotel/the-secret-inn/"
        problem = assert_problem(await stack.http.get(url), 500, "internal_error")
        request_id = problem["request_id"]
        assert request_id in problem["detail"]
        assert "ProgrammingError" not in json.dumps(problem)
    [line] = [JsonLines().format(record) for record in log.records if record.levelno == logging.ERROR]
    assert request_id in line
    assert "ProgrammingError" in line
    assert "storage/catalogue.py" in line
    assert "the-secret-inn" not in line
