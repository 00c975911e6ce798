"""Commands that look: predictions, what is live, releases, runs, jobs, health."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import JOB, Nightjar
from tests.meter_readings import job as declaration
from tests.meter_readings.upstream import FIRST_ID, METERS, MeterUpstream
from tests.tasks.nights import LIVE, NEXT, TRAINED_ON

ID = str(FIRST_ID)


@pytest.fixture
def live(nightjar: Nightjar) -> Nightjar:
    """A night is live."""
    assert nightjar("run", JOB, "--partition", LIVE).code == 0
    return nightjar


def test_a_prediction_by_numeric_id(live: Nightjar) -> None:
    answer = live("get", JOB, ID, "--json")
    assert answer.code == 0
    (prediction,) = answer.json
    assert prediction["found"]
    assert (prediction["entity_id"], prediction["partition"], prediction["model_version"]) == (ID, LIVE, "1")
    shown = live("get", JOB, ID)
    assert shown.code == 0
    assert str(prediction["value"]) in shown.out


def test_the_prior_of_who_is_not_in_the_population_is_told_as_one(live: Nightjar) -> None:
    answer = live("get", JOB, ID, "17", "--json")
    assert answer.code == 0
    assert [prediction["source"] for prediction in answer.json][1] == "prior"
    of_segment = live("get", JOB, "17", "--segment", "day", "--json").json[0]
    assert of_segment["value"] != answer.json[1]["value"]


def test_a_missing_prediction_is_told_and_is_no_success(live: Nightjar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a job that declares no priors."""
    monkeypatch.setattr(declaration, "JOB", declaration.JOB.model_copy(update={"priors": None}))
    assert live("train", JOB, "--partition", TRAINED_ON).code == 0
    assert live("promote", JOB, "2", "--why", "it differs in its priors alone", "--from", LIVE).code == 0
    assert live("run", JOB, "--partition", LIVE).code == 0
    answer = live("get", JOB, ID, "17", "--json")
    assert answer.code == 1
    assert [prediction["found"] for prediction in answer.json] == [True, False]


def test_a_prediction_of_a_partition(live: Nightjar) -> None:
    assert live("get", JOB, ID, "--partition", LIVE, "--json").json[0]["found"]
    answer = live("get", JOB, ID, "--partition", "2024-03-05", "--json")
    assert answer.code == 1
    assert "PartitionNotKept" in answer.error


def test_what_is_live(live: Nightjar) -> None:
    answer = live("status", JOB, "--json")
    assert answer.code == 0
    assert (answer.json["partition"], answer.json["rows"], answer.json["stale"]) == (LIVE, METERS, True)
    assert "older than the job allows" in " ".join(live("status", JOB).out.split())


def test_releases_newest_first(live: Nightjar) -> None:
    live("run", JOB, "--partition", LIVE)
    answer = live("releases", JOB, "--json")
    assert answer.code == 0
    assert [release["state"] for release in answer.json] == ["live", "retired"]
    assert live("releases", JOB).code == 0


def test_what_the_newest_run_did(live: Nightjar) -> None:
    answer = live("runs", JOB, "--partition", LIVE, "--json")
    assert answer.code == 0
    assert answer.json["accounting"]["scored"] == METERS
    assert "publish" in live("runs", JOB, "--partition", LIVE).out


def test_a_partition_without_a_run(nightjar: Nightjar) -> None:
    answer = nightjar("runs", JOB, "--partition", "2024-03-05")
    assert answer.code == 1
    assert "no run of this partition" in answer.error


def test_the_declared_jobs(nightjar: Nightjar) -> None:
    answer = nightjar("jobs", "--json")
    assert answer.code == 0
    assert {job["name"] for job in answer.json} == {"flight_delays", JOB}
    assert nightjar("jobs").code == 0


def test_the_health_of_the_installation(nightjar: Nightjar) -> None:
    answer = nightjar("doctor", "--json")
    assert (answer.code, answer.json["problems"]) == (0, [])
    assert answer.json["versions"]["pandas"]
    assert "nothing to mend" in nightjar("doctor").out


def test_refused_rows_are_shown_with_their_reasons(nightjar: Nightjar, tmp_path: Path) -> None:
    table = MeterUpstream().deliver("meters", date.fromisoformat(NEXT))
    assert table is not None
    twice = pa.concat_tables([table, table.slice(3, 2)])
    path = tmp_path / "meters.parquet"
    pq.write_table(twice, path)
    assert nightjar("land", JOB, "meters", str(path), "--partition", NEXT).code == 0
    assert nightjar("run", JOB, "--partition", NEXT).code == 0
    out = tmp_path / "refused.parquet"
    answer = nightjar("quarantine", JOB, "meters", "--partition", NEXT, "--out", str(out), "--json")
    assert answer.code == 0
    assert answer.json["rows"] == 2
    assert [row["_row"] for row in answer.json["shown"]] == [METERS, METERS + 1]
    assert all("duplicate" in row["reasons"][0] for row in answer.json["shown"])
    assert pq.read_table(out).num_rows == 2
    assert "duplicate" in nightjar("quarantine", JOB, "meters", "--partition", NEXT).out


def test_what_was_not_validated_has_no_quarantine(nightjar: Nightjar) -> None:
    answer = nightjar("quarantine", JOB, "meters", "--partition", NEXT, "--json")
    assert answer.code == 1
    assert "not validated yet" in answer.error
