"""A real Prometheus scrapes the real endpoint, started as the compose file starts both."""

from __future__ import annotations

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import yaml

from pipeline.alerts import link_runbook
from pipeline.exporter.catalogue import METRICS
from tests.deploy.compose import ROOT
from tests.deploy.monitoring import Prometheus, Watching
from tests.deploy.processes import find_program, wait_until
from tests.exporter.nights import publish, resolve_alarm
from tests.meter_readings.job import JOB

RULES = ROOT / "deploy/prometheus/rules.yml"
ALARMS = {("NightjarDrift", "inputs.drift"), ("NightjarQuarantine", "operations.quarantine")}
STALE = {("NightjarLiveTooOld", "operations.age"), ("NightjarNightMissing", "operations.missing")}


@pytest.fixture(scope="module")
def prometheus(watching: Watching) -> Prometheus:
    """It has scraped, and evaluated every rule."""
    found = watching.prometheus
    wait_until("every rule was evaluated", lambda: all(r["health"] == "ok" for r in found.rules()), [found.process])
    return found


def test_the_target_is_up(prometheus: Prometheus) -> None:
    assert (prometheus.target()["health"], prometheus.target()["lastError"]) == ("up", "")


def test_every_rule_is_loaded_and_healthy(prometheus: Prometheus) -> None:
    written = [
        rule.get("alert") or rule["record"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
    ]
    assert sorted(rule["name"] for rule in prometheus.rules()) == sorted(written)
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}


def test_every_metric_arrives_under_the_name_and_labels_of_the_catalogue(prometheus: Prometheus) -> None:
    own = {"__name__", "instance", "job", "scoring_job"}
    for metric in METRICS.values():
        found = prometheus.query(f'{metric.name}{{scoring_job="{JOB.name}"}}')
        assert found, metric.name
        assert {frozenset(series["metric"].keys() - own) for series in found} == {frozenset(metric.labels)}


def test_help_and_type_of_every_metric_arrive(prometheus: Prometheus) -> None:
    told = prometheus.ask("metadata")
    for name, metric in METRICS.items():
        # OpenMetrics, which Prometheus asks for, names a counter without its suffix.
        (entry,) = told[name] if name in told else told[name.removesuffix("_total")]
        assert (entry["type"], entry["help"]) == ("counter" if metric.is_counter else "gauge", metric.help)


def test_alerts_fire_for_a_stale_job_and_for_open_alarms(watching: Watching) -> None:
    watching.wait_until_firing(STALE | ALARMS)
    alerts = [alert for alert in watching.prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"]
    assert {alert["labels"]["scoring_job"] for alert in alerts} == {JOB.name}
    assert {alert["labels"]["signal"]: alert["labels"]["severity"] for alert in alerts} == {
        "operations.age": "critical",
        "operations.missing": "critical",
        "inputs.drift": "warning",
        "operations.quarantine": "critical",
    }
    for alert in alerts:
        assert alert["annotations"]["runbook_url"] == link_runbook("docs/operations.md", alert["labels"]["signal"])


def test_alerts_resolve_with_a_new_night_and_with_the_alarm(watching: Watching) -> None:
    """After the test before, because the job is not stale any more."""
    workspace, now = watching.workspace, datetime.now(UTC)
    watching.wait_until_firing(STALE | ALARMS)
    closed = [day for back in (1, 0) if JOB.cutoff(day := (now - timedelta(days=back)).date()) <= now]
    publish(workspace, JOB, closed[-1])
    resolve_alarm(workspace, JOB, "inputs.drift")
    watching.wait_until_firing(ALARMS - {("NightjarDrift", "inputs.drift")})


def test_a_wrong_token_takes_the_target_down_and_that_is_an_alert(watching: Watching) -> None:
    prometheus = watching.prometheus
    prometheus.write_token("x" * 64)
    wait_until("the target is down", lambda: prometheus.target()["health"] == "down", [prometheus.process])
    assert "401" in prometheus.target()["lastError"]
    wait_until("that fires", lambda: ("NightjarTargetDown", "") in prometheus.firing(), [prometheus.process])
    prometheus.write_token(watching.variables["NIGHTJAR_METRICS_TOKEN"])
    wait_until("the target is up", lambda: prometheus.target()["health"] == "up", [prometheus.process])


def test_the_token_is_in_no_environment_log_or_file_that_others_can_read(watching: Watching) -> None:
    prometheus, token = watching.prometheus, watching.variables["NIGHTJAR_METRICS_TOKEN"]
    process = psutil.Process(prometheus.process.popen.pid)
    assert process.name() == "prometheus"
    assert token not in str(process.environ()) + str(process.cmdline())
    folder = watching.workspace.settings.home
    files = [path for path in folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert files == [prometheus.folder / "token"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


@pytest.mark.parametrize("token", [None, "", "x" * 31])
def test_prometheus_does_not_start_without_a_token(tmp_path: Path, token: str | None) -> None:
    environment = {"PATH": "/usr/bin:/bin", "PROMETHEUS_RUN_DIR": str(tmp_path)}
    given = environment if token is None else {**environment, "NIGHTJAR_METRICS_TOKEN": token}
    script = ROOT / "deploy/prometheus/start.sh"
    done = subprocess.run([str(script), "--version"], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "NIGHTJAR_METRICS_TOKEN" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_is_one(tmp_path: Path) -> None:
    for path in (ROOT / "deploy/prometheus").glob("*.yml"):
        (tmp_path / path.name).write_text(path.read_text().replace("/run/prometheus", str(tmp_path)))
    (tmp_path / "token").touch()
    promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_rules_pass_their_unit_tests() -> None:
    promtool("test", "rules", str(RULES.with_name("rules_test.yml")))


def test_a_rule_that_is_wrong_fails_its_unit_test(tmp_path: Path) -> None:
    shutil.copytree(RULES.parent, tmp_path, dirs_exist_ok=True)
    rules = tmp_path / "rules.yml"
    rules.write_text(
        rules.read_text().replace("nightjar_night_overdue_seconds > 0", "nightjar_night_overdue_seconds > 9e9")
    )
    with pytest.raises(subprocess.CalledProcessError):
        promtool("test", "rules", str(tmp_path / "rules_test.yml"))


def test_every_alert_says_how_bad_it_is_what_happened_and_what_to_do() -> None:
    alerts = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule
    ]
    assert len(alerts) == 10
    tested = RULES.with_name("rules_test.yml").read_text()
    for alert in alerts:
        assert alert["labels"]["severity"] in ("critical", "warning", "{{ $labels.severity }}")
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert alert["alert"] in tested


def promtool(*arguments: str) -> None:
    subprocess.run([find_program("promtool"), *arguments], capture_output=True, check=True)
