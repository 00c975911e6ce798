"""The report of a night: one page, whatever names the data has."""

from __future__ import annotations

import re

import pytest

from pipeline import tasks
from pipeline.errors import NotReadyError
from pipeline.monitoring import FeatureDrift
from pipeline.stores.night_reports.rendering import SHOWN_FEATURES
from pipeline.tasks import Workspace
from tests.meter_readings.job import JOB
from tests.tasks.viewing.conftest import LAST, ORDINARY


def test_a_report_is_one_page_that_needs_nothing_else(watched: Workspace) -> None:
    path = tasks.write_night_report(watched, JOB, LAST)
    assert path == f"jobs/{JOB.name}/reports/{LAST}.html"
    page = watched.lake.read_bytes(path).decode()
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<link|<img|<iframe|src=|href=|url\(|@import", page)
    assert page.count('<svg class="trend"') >= 14
    assert "Drift from the training reference" in page


def test_the_same_night_gives_the_same_bytes(watched: Workspace) -> None:
    first = watched.lake.read_bytes(tasks.write_night_report(watched, JOB, LAST))
    assert watched.lake.read_bytes(tasks.write_night_report(watched, JOB, LAST)) == first


def test_names_from_data_are_text(watched: Workspace) -> None:
    records = watched.monitoring(JOB)
    night = records.find_observed(LAST)
    assert night is not None
    hostile = FeatureDrift(
        feature="<img src=x onerror=alert(1)>\x1b", against="weekday", psi=1, jensen_shannon=1, score=99
    )
    records.write_observed(night.model_copy(update={"drift": (hostile,)}))
    page = watched.lake.read_bytes(tasks.write_night_report(watched, JOB, LAST)).decode()
    assert "&lt;img src=x onerror=alert(1)&gt;\\x1b" in page
    assert "<img" not in page


def test_what_moved_the_scores_is_told_of_a_night_that_has_a_record_of_it(watched: Workspace) -> None:
    page = watched.lake.read_bytes(tasks.write_night_report(watched, JOB, LAST)).decode()
    (told,) = re.findall(r"<h2>What moved the scores</h2>(.+?)<h2>", page, re.DOTALL)
    moved = watched.monitoring(JOB).find_moved(LAST)
    assert moved is not None
    assert f"{moved.mean_before:.3g} on {', '.join(moved.against)} and {moved.mean_after:.3g} on this night" in told
    assert re.findall(r'class="name">(\w+)<', told) == [feature for feature, _ in moved.features[:SHOWN_FEATURES]]
    directions = re.findall(r'<rect class="(part|down)" x="([\d.]+)" width="([\d.]+)"', told)
    for (feature, change), (direction, x, width) in zip(moved.features, directions, strict=False):
        assert (direction == "part") == (change > 0), feature
        assert float(x) + (0 if change > 0 else float(width)) == pytest.approx(50, abs=0.02)
    assert f"{len(moved.features) - SHOWN_FEATURES} others together" in told
    ordinary = watched.lake.read_bytes(tasks.write_night_report(watched, JOB, ORDINARY)).decode()
    assert "What moved the scores" not in ordinary


def test_a_graded_night_tells_what_was_estimated(watched: Workspace) -> None:
    page = watched.lake.read_bytes(tasks.write_night_report(watched, JOB, "2024-03-01")).decode()
    assert "Against the labels" in page
    assert "estimated before" in page


def test_a_night_that_was_not_watched_has_no_report(watched: Workspace) -> None:
    with pytest.raises(NotReadyError):
        tasks.write_night_report(watched, JOB, "2023-01-01")
