"""The command that reports on a night that was watched."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.tasks import open_workspace
from tests.cli.conftest import JOB, Nightjar
from tests.meter_readings.job import JOB as DECLARED
from tests.monitoring_year.year import write_year

LAST = "2024-03-09"


@pytest.fixture
def watched(environment: Path) -> None:
    """Records of twenty-five nights."""
    write_year(open_workspace(Settings.from_environment()), DECLARED, last=LAST, nights=25, serve=False)


@pytest.mark.usefixtures("watched")
def test_a_report_is_shown_and_written_as_a_page(nightjar: Nightjar, tmp_path: Path) -> None:
    path = tmp_path / "night.html"
    answer = nightjar("report", JOB, "--partition", LAST, "--html", str(path))
    assert (answer.code, answer.error) == (0, "")
    assert "Drift from the training reference" in answer.out
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert nightjar("report", JOB, "--partition", LAST, "--json").json["observed"]["partition"] == LAST


def test_a_night_that_nobody_knows_is_an_error_that_says_what_to_do(nightjar: Nightjar) -> None:
    answer = nightjar("report", JOB, "--partition", "2024-01-01")
    assert answer.code == 1
    assert "nightjar run" in answer.error
