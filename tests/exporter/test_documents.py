"""docs/prometheus.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from pipeline.alerts import RUNBOOKS, link_runbook
from pipeline.exporter.catalogue import METRICS
from tests.alerts.test_runbooks import make_anchor

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/prometheus.md").read_text()
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
TESTS = (ROOT / "deploy/prometheus/rules_test.yml").read_text()


def test_the_table_of_metrics_is_the_catalogue() -> None:
    rows = re.findall(r"^\| `(nightjar_\w+)` \| (.*?) ?\| (.+) \|$", PAGE, re.MULTILINE)
    told = [(name, tuple(re.findall(r"`(\w+)`", labels)), text) for name, labels, text in rows]
    assert told == [(metric.name, metric.labels, metric.help) for metric in METRICS.values()]


def test_the_table_of_alerts_is_the_rules() -> None:
    told = re.findall(r"^\| `(Nightjar\w+)` \| .+ \| (.+) \|$", PAGE, re.MULTILINE)
    severities = {"{{ $labels.severity }}": "the alarm's"}
    assert told == [
        (rule["alert"], severities.get(rule["labels"]["severity"], rule["labels"]["severity"]))
        for rule in RULES
        if "alert" in rule
    ]


def test_recorded_series_are_named() -> None:
    assert [rule["record"] for rule in RULES if "record" in rule and f"`{rule['record']}`" not in PAGE] == []


def test_every_alert_links_to_the_section_that_its_signal_has() -> None:
    """Of the rules for several signals, promtool's tests say what their template becomes."""
    alerts = [rule for rule in RULES if "alert" in rule]
    named = {rule["annotations"]["runbook_url"] for rule in alerts}
    sections = {link_runbook("docs/operations.md", signal) for signal in RUNBOOKS}
    sections |= {
        f"docs/prometheus.md#{make_anchor(heading)}" for heading in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    }
    assert named - sections == {'docs/operations.md#{{ reReplaceAll "[.]" "" $labels.signal }}'}
    for rule in alerts:
        if "signal" in rule["labels"]:
            assert rule["annotations"]["runbook_url"] == link_runbook("docs/operations.md", rule["labels"]["signal"])
    expected = set(re.findall(r"runbook_url: (.+)$", TESTS, re.MULTILINE))
    assert expected <= sections
    assert link_runbook("docs/operations.md", "inputs.weekday_drift") in expected
