"""Which tests have to run in one process, where several share the work.

xdist's own groups (`--dist loadgroup` with the mark `xdist_group`) have no effect with pytest 9: they rename tests
by an attribute that is no longer there. Its hook for a scheduler of one's own works.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

_TOGETHER: Final = (("tests/browser/", "tests/e2e/"), ("tests/workflows/",))
"""One stack, one browser, one test server are enough for all of these."""

_APART: Final = ("tests/workflows/test_fault_matrix.py", "tests/workflows/test_search.py")
"""Long, each test by itself: as many processes as there are share them."""

_BY_FILE: Final = ("tests/management/",)
"""The tests of a file share servers and bookings that are costly to set up."""


def scope_of(test_id: str) -> str:
    """The tests of one scope run in one process; most tests are a scope of their own."""
    if test_id.startswith(_APART):
        return test_id
    for folders in _TOGETHER:
        if test_id.startswith(folders):
            return folders[0]
    return test_id.partition("::")[0] if test_id.startswith(_BY_FILE) else test_id


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Called by xdist, where there are several processes."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ScopeScheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    return ScopeScheduling(config, log)
