"""What the benchmark makes of its measurements."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from bench.aims import aims
from bench.connections import OwnConnections
from bench.crowd import is_as_expected
from bench.load import StepTimes
from bench.markdown import publish
from bench.profile import table
from bench.rounds import LoadRun, median_of, run

GRAPH = """
<g><title>all (10 samples, 100%)</title><rect x="0" y="36" width="100%" height="15" fill="rgb(1,2,3)" fg:x="0" fg:w="10"/></g>
<g><title>walk (api/a.py:1) (9 samples, 90%)</title><rect x="0" y="52" width="90%" height="15" fill="rgb(1,2,3)" fg:x="0" fg:w="9"/></g>
<g><title>walk (api/a.py:2) (6 samples, 60%)</title><rect x="0" y="68" width="60%" height="15" fill="rgb(1,2,3)" fg:x="0" fg:w="6"/></g>
<g><title>&lt;leaf&gt; (b.py:3) (2 samples, 20%)</title><rect x="0" y="84" width="20%" height="15" fill="rgb(1,2,3)" fg:x="4" fg:w="2"/></g>
"""  # noqa: E501


def test_a_straggler_does_not_decide_the_rate() -> None:
    """The rate is taken when 95 % have ended; CPU is that of all bookings."""
    done = LoadRun(
        StepTimes(), [*(number / 2 for number in range(1, 20)), 100.0], {"worker": 4.0, "temporal": 2.0}
    )
    found = done.summary()
    assert found["per_s"] == 2.0
    assert found["seconds"] == 100.0
    assert found["cpu_ms_per_booking"] == {"worker": 200.0, "temporal": 100.0}
    assert found["engine_cpu_ms"] == 300.0
    assert found["others_share"] == 0.0
    assert LoadRun(StepTimes(), [], {}).per_s == 0.0


async def test_a_run_counts_failures_apart() -> None:
    """Each place goes on after a failure; nothing that failed has a rate."""
    first = iter([TimeoutError("late")])

    async def drive(_times: StepTimes) -> None:
        for error in first:
            raise error
        # A booking that takes longer than new ones start.
        await asyncio.sleep(0.3)

    done = await run(drive, at_once=2, seconds=0.2)
    assert (len(done.ended_after_s), done.times.failed) == (2, 1)
    assert done.times.reasons == {"TimeoutError: late"}


async def test_people_at_once_have_connections_of_their_own() -> None:
    """As many as are under way at once; the next requests use them again."""
    opened, waiting, all_there = 0, 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened, waiting
        opened += 1
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                waiting += 1
                if waiting % 5 == 0:
                    all_there.set()
                await all_there.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with httpx.AsyncClient(transport=OwnConnections()) as http:
            for _ in range(2):
                answers = await asyncio.gather(*(http.get(url) for _ in range(5)))
                assert {answer.text for answer in answers} == {"ok"}
                all_there.clear()
    assert (opened, waiting) == (5, 10)


def test_the_middle_one_of_three_rounds_counts() -> None:
    """With the rates of all beside it."""
    found = median_of([{"per_s": 3.0, "n": 1}, {"per_s": 1.0, "n": 2}, {"per_s": 2.0, "n": 3}])
    assert found == {"per_s": 2.0, "n": 3, "rounds_per_s": [3.0, 1.0, 2.0]}


def test_aims_stand_beside_what_was_reached() -> None:
    """Only for what was measured."""
    counts = {
        "history_events": 51,
        "workflow_tasks": 9,
        "database_statements": 30,
        "database_transactions": 12,
        "stripe_requests_total": 4,
    }
    found = aims({"counts": counts})
    assert [tuple(aim) for aim in found][:2] == [
        ("history events", "≤ 50", "51", "missed"),
        ("workflow tasks", "≤ 9", "9", "met"),
    ]
    assert len(found) == 5


def test_tables_go_to_their_place_in_the_page(tmp_path: Path) -> None:
    """What stands around it stays; a page without the place is refused."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n")
    publish("new\n", "bench", page)
    assert page.read_text() == "before\n<!-- bench: begin -->\nnew\n<!-- bench: end -->\nafter\n"
    with pytest.raises(AssertionError, match="no place for scale"):
        publish("new\n", "scale", page)


def test_a_flame_graph_becomes_a_table() -> None:
    """A function that calls itself counts once, its lines add up, and the product's own stand again at the end."""
    assert table(GRAPH).splitlines()[2:] == [
        "| 70.0% | 90.0% | walk (api/a.py) |",
        "| 20.0% | 20.0% | <leaf> (b.py) |",
        "| 10.0% | 100.0% | all |",
        "| 70.0% | 90.0% | walk (api/a.py) |",
    ]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({"PENDING_APPROVAL": 50, "DECLINED": 150}, True),
        ({"PENDING_APPROVAL": 51, "DECLINED": 149}, False),
        ({"PENDING_APPROVAL": 50, "DECLINED": 149, "PENDING_PAYMENT": 1}, False),
    ],
)
def test_crowd_that_ends_otherwise_is_flagged(statuses: dict[str, int], *, expected: bool) -> None:
    assert is_as_expected(Counter(statuses), guests=200, rooms=50) is expected
