"""What the search in several processes says of its shards."""

from __future__ import annotations

from tests.workflows.search import read_output, sum_up

_GOOD = """
tests/workflows/test_search.py 10 examples, 330 steps
20 examples, 700 steps

21 examples, 731 steps, 1 examples given up
.
"""
_BAD = """
7 examples, 200 steps, 0 examples given up
F
E   AssertionError: assert ["M3: BK-1 (CANCELLED): kept 5000"] == []
E   AssertionError: assert ["M3: BK-1 (CANCELLED): kept 5000"] == []
"""


def test_violations_and_failed_shards_are_counted() -> None:
    results = [read_output(_GOOD, 0), read_output(_BAD, 1), read_output("no server", 2)]
    assert [result.failed for result in results] == [False, True, True]
    assert sum_up(results, 56).startswith(
        "28 examples in 3 shards, 1 given up, 1 violations, 2 shards failed, 56 s (2.00 s each)"
    )
