"""`python -m tests.workflows.search --examples 1000 --shards 2`: the search of `test_search.py` in several processes.

Each shard is a pytest with servers and a seed of its own. The last line sums up. If a shard failed, its output is
printed, and the exit status is 1. To repeat one, run `test_search.py` with the seed and the number printed for it.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_TEST: Final = "tests/workflows/test_search.py"
_SUMMARY: Final = re.compile(r"^(\d+) examples, \d+ steps, (\d+) examples given up$", re.MULTILINE)
_VIOLATION: Final = re.compile(r"AssertionError: assert \[['\"](M\d+: .*)")


@dataclass(frozen=True)
class ShardResult:
    """The result of one shard.

    Args:
        given_up: examples in which the test server did not answer.
        violations: the first broken promise of each failure.
        failed: the test failed, for whatever reason.
    """

    examples: int
    given_up: int
    violations: tuple[str, ...]
    failed: bool


def read_output(output: str, status: int) -> ShardResult:
    """Read a shard's output.

    Args:
        status: pytest's exit status.
    """
    summary = _SUMMARY.search(output)
    examples, given_up = (int(summary[1]), int(summary[2])) if summary else (0, 0)
    return ShardResult(examples, given_up, tuple(dict.fromkeys(_VIOLATION.findall(output))), status != 0)


def sum_up(results: list[ShardResult], seconds: float) -> str:
    """One line about all shards."""
    examples = sum(result.examples for result in results)
    return (
        f"{examples} examples in {len(results)} shards, {sum(result.given_up for result in results)} given up, "
        f"{sum(len(result.violations) for result in results)} violations, "
        f"{sum(result.failed for result in results)} shards failed, "
        f"{seconds:.0f} s ({seconds / max(examples, 1):.2f} s each)"
    )


def main() -> None:
    arguments = _parser().parse_args()
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="search-"))
    shards = [_start(folder, number, arguments) for number in range(arguments.shards)]
    results = []
    for shard, log in shards:
        status = shard.wait()
        output = log.read_text()
        result = read_output(output, status)
        results.append(result)
        if result.failed:
            print(output)
    print(sum_up(results, time.monotonic() - began))
    sys.exit(any(result.failed for result in results))


def _start(folder: Path, number: int, arguments: argparse.Namespace) -> tuple[subprocess.Popen[bytes], Path]:
    share = arguments.examples // arguments.shards + (number < arguments.examples % arguments.shards)
    seed, log = arguments.seed + number, folder / f"shard-{number}.log"
    print(f"shard {number}: SEARCH_EXAMPLES={share} --hypothesis-seed={seed}, output in {log}", flush=True)
    command = [sys.executable, "-m", "pytest", _TEST, "-s", "-n", "0", f"--hypothesis-seed={seed}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env={**os.environ, "SEARCH_EXAMPLES": str(share)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return process, log


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.workflows.search", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=200, help="of all shards together")
    parser.add_argument("--shards", type=int, default=2, help="processes at the same time")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**9), help="of the first shard; the next has the next"
    )
    return parser


if __name__ == "__main__":
    main()
