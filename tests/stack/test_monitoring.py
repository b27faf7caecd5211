"""Alert rules and dashboard: Prometheus takes the rules, they strike when they should, and every figure exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from api.metrics import Metrics
from storage.figures import BookingFigures
from tests.stack.leftovers import ROOT

RULES: Final = ROOT / "deploy" / "prometheus-alerts.yml"
DASHBOARD: Final = ROOT / "deploy" / "grafana-dashboard.json"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian's prometheus)"
)

_FUNCTIONS: Final = frozenset(
    "max min sum by time rate increase delta min_over_time sum_over_time histogram_quantile and or bool".split()
)
_LABELS: Final = frozenset("status currency route le job".split())
_OTHERS: Final = frozenset({"up"})
"""Prometheus's own."""

# Series by minute, the minute looked at, and whether the alert strikes there.
STRIKES: Final[tuple[tuple[str, str, str, str, bool], ...]] = (
    ("ApiDown", 'up{job="hotel-api",instance="a"}', "1 1 0 0 0", "4m", True),
    ("ApiDown", 'up{job="hotel-api",instance="a"}', "1 1 0 1 1", "4m", False),
    ("DatabaseAway", "bookings_needing_attention", "0 NaN NaN NaN", "3m", True),
    ("DatabaseAway", "bookings_needing_attention", "0 1 2 2", "3m", False),
    ("ServerErrors", 'http_requests_total{route="/x",status="500"}', "0 0 1 1", "3m", True),
    ("ServerErrors", 'http_requests_total{route="/x",status="503"}', "0 0 1 1", "3m", False),
    ("WebhooksRefused", 'http_requests_total{route="/a/stripe-webhook/",status="400"}', "0 1 1", "2m", True),
    ("WebhookBacklog", "stripe_inbox_backlog", "1+3x15", "15m", True),
    ("WebhookBacklog", "stripe_inbox_backlog", "90-3x15", "15m", False),
    ("BookingNeedsAttention", "bookings_needing_attention", "1x70", "65m", True),
    ("BookingNeedsAttention", "bookings_needing_attention", "1x50 0x20", "65m", False),
    ("DecisionOverdue", "next_decision_deadline_timestamp_seconds", "60x20", "8m", True),
    ("DecisionOverdue", "next_decision_deadline_timestamp_seconds", " ".join(["NaN"] * 9), "8m", False),
    ("MailsUnsent", "mails_unsent", "3x70", "65m", True),
    ("FindingsLeft", "reconciliation_findings_left", "0 2", "1m", True),
    ("SweepLate", "sweep_last_complete_timestamp_seconds", "60x20", "15m", True),
    ("SweepLate", "sweep_last_complete_timestamp_seconds", "0+60x20", "15m", False),
    ("SweepLate", "sweep_last_complete_timestamp_seconds", " ".join(["NaN"] * 16), "15m", True),
    ("SweepLate", "sweep_last_complete_timestamp_seconds", " ".join(["NaN"] * 9), "8m", False),
    ("ReconciliationLate", "reconciliation_last_complete_timestamp_seconds", "60x90", "70m", True),
    (
        "ReconciliationLate",
        "reconciliation_last_complete_timestamp_seconds",
        " ".join(["NaN"] * 71),
        "70m",
        True,
    ),
    (
        "ReconciliationLate",
        "reconciliation_last_complete_timestamp_seconds",
        " ".join(["NaN"] * 51),
        "50m",
        False,
    ),
)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    """All of them, by its own check."""
    done = promtool("check", "rules", str(RULES))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"SUCCESS: {len(_rules())} rules found" in done.stdout


@needs_promtool
@pytest.mark.parametrize(("alert", "series", "values", "at", "strikes"), STRIKES)
def test_alerts_strike_when_they_should(
    tmp_path: Path, alert: str, series: str, values: str, at: str, strikes: bool
) -> None:
    """Evaluated by Prometheus itself, over made-up figures."""
    # How many alerts are active is what can be asked without repeating each alert's words.
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > 0'
    expected = [{"labels": "{}", "value": 1}] if strikes else []
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values}],
        "promql_expr_test": [{"expr": expression, "eval_time": at, "exp_samples": expected}],
    }
    case = tmp_path / "case.yml"
    case.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]})
    )
    done = promtool("test", "rules", str(case))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    """Each strikes at least once above."""
    assert {rule["alert"] for rule in _rules()} == {alert for alert, *_, strikes in STRIKES if strikes}


def test_every_figure_exists() -> None:
    """A rule about a name that /metrics lacks would never fire."""
    metrics = Metrics()
    metrics.answered("GET", "/", 200, 0.1)
    page = metrics.page(None, BookingFigures({"DRAFT": 1}, {"EUR": 1}, None, 0, 0)).decode()
    exported = set(re.findall(r"^(\w+)[ {]", page, re.MULTILINE)) | _OTHERS
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for expression in [*shown, *(rule["expr"] for rule in _rules())]:
        bare = re.sub(r'"[^"]*"|\[[\w:]+\]', "", expression)
        names = set(re.findall(r"[a-z_]\w*", bare)) - _FUNCTIONS - _LABELS
        assert names, expression
        assert names <= exported, expression


def test_runbook_pages_exist() -> None:
    """The section that an alert points to exists."""
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    named = [rule["annotations"]["runbook"] for rule in _rules() if "runbook" in rule["annotations"]]
    assert [page for page in named if page.removeprefix("docs/runbook.md, ") not in headings] == []


def _rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found
