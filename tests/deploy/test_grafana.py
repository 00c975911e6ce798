"""Grafana's dashboard and data source: generated, consistent, and every query tried against a real Prometheus.

Grafana itself is not run here: Debian has no package of it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from deploy.grafana.make_dashboard import make_dashboard
from pipeline.exporter.catalogue import METRICS
from pipeline.monitoring import MONITORS
from tests.deploy.compose import ROOT, load_services
from tests.deploy.monitoring import Prometheus, Watching
from tests.deploy.processes import wait_until
from tests.exporter.nights import GRADED_SIGNALS, SIGNALS
from tests.meter_readings.job import JOB

FOLDER = ROOT / "deploy/grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboards/nightjar.json").read_text())
CHARTS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = {
    f"{panel['title']} {target['refId']}: {target['expr']}": target["expr"]
    for panel in CHARTS
    for target in panel["targets"]
}
ANNOTATIONS = {mark["name"]: mark["expr"] for mark in DASHBOARD["annotations"]["list"]}
# A side of a signal that does not count has no limit, and a muted signal no value.
MAY_BE_EMPTY = re.compile(r'nightjar_signal_lower_limit|signal="accuracy.estimate"')


@pytest.fixture(scope="module")
def prometheus(watching: Watching) -> Prometheus:
    """It has scraped, and has evaluated the rules that the dashboard reads."""
    found = watching.prometheus
    recorded = "scoring_job:nightjar_labelled:ratio"
    wait_until("series were recorded", lambda: bool(found.query(recorded)), [found.process])
    return found


def substitute(expression: str) -> str:
    """The query as Grafana sends it."""
    assert set(re.findall(r"\$\w+", expression)) <= {"$scoring_job"}
    return expression.replace("$scoring_job", JOB.name)


def test_the_committed_dashboard_is_the_generated_one() -> None:
    assert (FOLDER / "dashboards/nightjar.json").read_text() == make_dashboard()


@pytest.mark.parametrize("expression", QUERIES.values(), ids=QUERIES.keys())
def test_every_query_returns_data(prometheus: Prometheus, expression: str) -> None:
    assert prometheus.query(substitute(expression)) or MAY_BE_EMPTY.search(expression)


@pytest.mark.parametrize("expression", ANNOTATIONS.values(), ids=ANNOTATIONS.keys())
def test_every_annotation_is_a_query(prometheus: Prometheus, expression: str) -> None:
    found = prometheus.query(substitute(expression))
    assert bool(found) == ("alarm" in expression)  # of the others nothing has happened since the first scrape


def test_a_lower_limit_is_drawn_where_there_is_one(prometheus: Prometheus) -> None:
    (expression,) = [query for query in QUERIES.values() if "lower_limit" in query and '"outputs.mean"' in query]
    (series,) = prometheus.query(substitute(expression))
    assert series["value"][1] == "11"


def test_the_job_is_chosen_from_those_that_are_exported(prometheus: Prometheus) -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
    assert prometheus.ask(f"label/{label}/values", **{"match[]": metric}) == ["flight_delays", JOB.name]
    assert variable["name"] == label


def test_every_query_is_of_the_chosen_job_and_of_metrics_that_there_are() -> None:
    for expression in [*QUERIES.values(), *ANNOTATIONS.values()]:
        assert 'scoring_job="$scoring_job"' in expression
        assert set(re.findall(r"(?<!:)nightjar_\w+", expression)) <= METRICS.keys()


def test_every_signal_of_a_night_is_drawn_between_its_limits() -> None:
    for signal in (*SIGNALS, *GRADED_SIGNALS):
        shown = [query for query in QUERIES.values() if f'signal="{signal.name}"' in query]
        assert len(shown) == 3, signal.name


def test_each_monitor_has_its_row() -> None:
    rows = [panel["title"].lower() for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["live", *MONITORS]


def test_limits_are_dashed_lines() -> None:
    for panel in CHARTS:
        if panel["type"] == "timeseries":
            drawn = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
            assert drawn == {"lower limit", "upper limit"}


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_provisioned_source_is_the_one_that_the_dashboard_asks() -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    asked = {(panel["datasource"]["type"], panel["datasource"]["uid"]) for panel in CHARTS}
    asked |= {(mark["datasource"]["type"], mark["datasource"]["uid"]) for mark in DASHBOARD["annotations"]["list"]}
    assert asked == {(source["type"], source["uid"])}
    host, port = source["url"].removeprefix("http://").split(":")
    assert f"--web.listen-address=0.0.0.0:{port}" in load_services()[host]["command"]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped


def test_grafana_finds_what_is_provisioned() -> None:
    grafana = load_services()["grafana"]
    mounted = dict(volume.removesuffix(":ro").split(":") for volume in grafana["volumes"])
    inside = mounted["./deploy/grafana"]
    environment = grafana["environment"]
    assert environment["GF_PATHS_PROVISIONING"] == f"{inside}/provisioning"
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/nightjar.yml").read_text())["providers"]
    assert provider["options"]["path"] == f"{inside}/dashboards"
    assert environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{inside}/dashboards/nightjar.json"


KEYS = {
    "datasources": {"name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData"},
    "providers": {"name", "type", "allowUiUpdates", "disableDeletion", "options"},
}


@pytest.mark.parametrize("kind", KEYS)
def test_provisioning_files_hold_what_grafana_documents(kind: str) -> None:
    """Grafana passes over a misspelt key in silence, and publishes no schema to hold the files against."""
    (path,) = (FOLDER / "provisioning" / kind.replace("providers", "dashboards")).iterdir()
    content = yaml.safe_load(path.read_text())
    assert content.keys() == {"apiVersion", kind}
    assert content["apiVersion"] == 1
    assert [entry.keys() for entry in content[kind]] == [KEYS[kind]]
