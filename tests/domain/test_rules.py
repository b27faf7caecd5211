"""The smaller rules: roles, accounts, hotels' terms, erasure, advice, times, and what the domain may import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from domain.accounts import AccountError, AccountRule, check_password, check_standing
from domain.attention import AttentionCode, advice, meaning
from domain.booking import Status
from domain.erasure import reason_to_keep
from domain.hotel_terms import HotelTerms, TermsError
from domain.roles import Role, may_decide, may_manage
from domain.timestamps import rfc3339

DOMAIN = Path(__file__).parents[2] / "domain"
RUNBOOK = DOMAIN.parent / "docs" / "runbook.md"
TERMS = HotelTerms(
    check_in_hour=15,
    check_out_hour=11,
    approval_sla_s=86400,
    payment_window_s=86400,
    cutoff_days_before=0,
    cutoff_hour=12,
    free_cancel_days=2,
    late_cancel_fee_percent=100,
)


@pytest.mark.parametrize("path", sorted(DOMAIN.glob("**/*.py")), ids=lambda path: path.name)
def test_domain_imports_the_standard_library_only(path: Path) -> None:
    """It runs inside Temporal's sandbox, and anywhere else."""
    allowed = sys.stdlib_module_names | {"domain"}
    assert [name for name in _imported(path) if name.partition(".")[0] not in allowed] == []


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports by a relative path"
            yield node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"__import__", "import_module"}:
            yield f"?{ast.unparse(node)}"


@pytest.mark.parametrize("path", sorted(DOMAIN.glob("**/*.py")), ids=lambda path: path.name)
def test_domain_reads_no_clock(path: Path) -> None:
    """Its functions receive the time: in a workflow, only Temporal's own clock replays."""
    calls = [
        ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    ]
    forbidden = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "sleep", "print"}
    assert [call for call in calls if call != "time" and call.rpartition(".")[2] in forbidden] == []


@pytest.mark.parametrize(
    ("role", "decides", "manages"),
    [("viewer", False, False), ("approver", True, False), ("manager", True, True)],
)
def test_roles(role: str, decides: bool, manages: bool) -> None:
    """`viewer` reads; `approver` also decides; `manager` also cancels and configures."""
    assert (may_decide(Role(role)), may_manage(Role(role))) == (decides, manages)


def test_there_are_three_roles() -> None:
    """They are stored: none is renamed."""
    assert [str(role) for role in Role] == ["viewer", "approver", "manager"]


@pytest.mark.parametrize(("length", "fits"), [(0, False), (7, False), (8, True), (200, True), (201, False)])
def test_passwords(length: int, fits: bool) -> None:
    """8 to 200 characters."""
    if fits:
        assert check_password("p" * length) == "p" * length
        return
    with pytest.raises(AccountError, match="8 to 200 characters") as refused:
        check_password("p" * length)
    assert refused.value.rule is AccountRule.PASSWORD_LENGTH


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("own", [True, False])
def test_managers_cannot_lock_themselves_out(own: bool, role: Role, active: bool) -> None:
    """One's own account stays a manager's who may log in; others' may become anything."""
    if own and (role != "manager" or not active):
        with pytest.raises(AccountError, match="another manager can"):
            check_standing(own=own, role=role, active=active)
    else:
        check_standing(own=own, role=role, active=active)


@pytest.mark.parametrize(
    ("term", "least", "most"),
    [
        ("approval_sla_s", 1, 30 * 86400),
        ("payment_window_s", 1, 30 * 86400),
        ("cutoff_days_before", 0, 365),
        ("cutoff_hour", 0, 24),
        ("check_in_hour", 0, 23),
        ("check_out_hour", 0, 23),
        ("free_cancel_days", 0, 365),
        ("late_cancel_fee_percent", 0, 100),
    ],
)
def test_bounds_of_terms(term: str, least: int, most: int) -> None:
    """The bounds are allowed, one beyond them is not, and the error names the term."""
    for value in (least, most):
        assert getattr(replace(TERMS, **{term: value}), term) == value
    for value in (least - 1, most + 1):
        with pytest.raises(TermsError, match=f"between {least} and {most}") as refused:
            replace(TERMS, **{term: value})
        assert refused.value.term == term


@pytest.mark.parametrize("stay_over", [True, False])
@pytest.mark.parametrize("status", Status)
def test_when_a_guest_may_be_erased(status: Status, stay_over: bool) -> None:
    """Only once the data is no longer needed: the booking has ended, or the day of check-out has begun."""
    may_go = status in {"DECLINED", "EXPIRED", "CANCELLED"} or (status == "CONFIRMED" and stay_over)
    assert (reason_to_keep(status, stay_over=stay_over) is None) is may_go


@pytest.mark.parametrize("code", AttentionCode)
def test_each_reason_says_what_it_means_and_what_to_do(code: AttentionCode) -> None:
    """In the reader's own commands."""
    text = advice(code, retry="RETRY", resolve="RESOLVE")
    assert meaning(code).endswith(".")
    assert "{" not in text
    assert "RETRY" in text or "RESOLVE" in text


def test_runbook_has_a_row_for_each_reason() -> None:
    """And each row names the command that the advice names."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", RUNBOOK.read_text(), re.MULTILINE)
    todo = {code: what for code, _, what in rows if code in set(AttentionCode)}
    assert list(todo) == list(AttentionCode)
    for code in AttentionCode:
        for command in ("retry", "resolve"):
            advised = "!" in advice(code, **{"retry": "", "resolve": "", command: "!"})
            assert (f"`{command}`" in todo[code]) is advised, (code, command)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2026, 11, 25, 10, 41, 27, tzinfo=UTC), "2026-11-25T10:41:27Z"),
        (datetime(2026, 11, 25, 10, 41, 27, 120000, tzinfo=UTC), "2026-11-25T10:41:27.120000Z"),
        (datetime(2026, 11, 25, 1, 0, tzinfo=timezone(timedelta(hours=9))), "2026-11-24T16:00:00Z"),
    ],
)
def test_rfc3339(instant: datetime, text: str) -> None:
    """In UTC with a `Z`, for an instant of any zone."""
    assert rfc3339(instant) == text
    assert datetime.fromisoformat(text) == instant
