"""The alarms that stand, and those that are over, for people and for machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.stores.lake import Lake
from pipeline.stores.monitoring import MonitoringRecords
from tests.cli.conftest import JOB, Nightjar
from tests.monitoring_records import log_alarm


@pytest.fixture
def told(environment: Path) -> None:
    """One alarm that is over, and was raised again, and another one."""
    records = MonitoringRecords(Lake(str(environment / "lake")), JOB)
    log_alarm(records, "2024-03-01")
    log_alarm(records, "2024-03-04", kind="resolved")
    log_alarm(records, "2024-03-05", signal="operations.seconds")
    log_alarm(records, "2024-03-06")


@pytest.mark.usefixtures("told")
def test_alarms_are_listed_newest_first(nightjar: Nightjar) -> None:
    found = nightjar("alarms", JOB, "--json").json
    assert [alarm["signal"] for alarm in found["open"]] == ["inputs.drift", "operations.seconds"]
    (over,) = found["resolved"]
    assert (over["partition"], over["resolved_by"], over["resolved_at"]) == (
        "2024-03-01",
        "2024-03-04",
        "2024-03-05T05:00:00+00:00",
    )
    assert nightjar("alarms", JOB, "--last", "0", "--json").json["resolved"] == []


@pytest.mark.usefixtures("told")
def test_people_are_told_how_far_out_it_was(nightjar: Nightjar) -> None:
    out = " ".join(nightjar("alarms", JOB).out.split())
    for words in ("inputs.drift", "up to 5", "rated_amps", "2024-03-06", "resolved by"):
        assert words in out


def test_who_closed_an_alarm_without_judging_it_says_why(environment: Path, nightjar: Nightjar) -> None:
    records = MonitoringRecords(Lake(str(environment / "lake")), JOB)
    log_alarm(records, "2024-03-01")
    why = {"found": "not judged on 3 nights: too few rows", "judged": False}
    log_alarm(records, "2024-03-04", kind="resolved", **why)
    (over,) = nightjar("alarms", JOB, "--json").json["resolved"]
    assert (over["why_resolved"], over["judged"]) == ("not judged on 3 nights: too few rows", False)
    assert "not known to be well, not judged on 3 nights: too few rows" in nightjar("alarms", JOB).out


def test_one_that_was_found_in_words_says_them(environment: Path, nightjar: Nightjar) -> None:
    """As those of `nightjar check` are, which have no value and no features."""
    words = {"found": "readers get nothing: it is down", "value": None, "upper": None, "worst": ()}
    records = MonitoringRecords(Lake(str(environment / "lake")), JOB)
    log_alarm(records, "2024-03-01", signal="operations.unreadable", **words)
    assert "readers get nothing: it is down" in nightjar("alarms", JOB).out


def test_a_job_without_alarms_says_so(nightjar: Nightjar) -> None:
    assert nightjar("alarms", JOB).out.strip() == f"no alarm of {JOB} stands"
    assert nightjar("alarms", JOB, "--json").json == {"open": [], "resolved": []}
