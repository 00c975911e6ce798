"""Commands that do a night's work, on the second job."""

from __future__ import annotations

import getpass
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from tests.cli.conftest import JOB, Nightjar
from tests.meter_readings.upstream import METERS, MeterUpstream
from tests.tasks.nights import LIVE, TRAINED_ON


def test_a_night_is_run_and_told_in_json(nightjar: Nightjar) -> None:
    answer = nightjar("run", JOB, "--partition", LIVE, "--json")
    assert answer.code == 0
    assert [stage["stage"] for stage in answer.json["stages"]] == [
        "ingest",
        "validate",
        "build_features",
        "score",
        "publish",
        "watch",
    ]
    assert answer.json["accounting"]["read_back"] == METERS


def test_a_night_is_run_and_told_to_people(nightjar: Nightjar) -> None:
    answer = nightjar("run", JOB, "--partition", LIVE)
    assert answer.code == 0
    assert "build_features" in answer.out
    told = " ".join(answer.out.split())
    assert "is live" in told
    assert "watched: nothing is beyond what is usual" in told
    again = nightjar("run", JOB, "--partition", LIVE, "--force")
    assert again.code == 0


def test_training_is_told_in_json_and_to_people(nightjar: Nightjar) -> None:
    answer = nightjar("train", JOB, "--partition", TRAINED_ON, "--json")
    assert answer.code == 0
    settled, snapped, trained, _, proved, promoted = answer.json
    assert (settled["settled"], proved["proof"]) == ([], None)
    assert (trained["model_version"], promoted["champion"]) == ("1", "1")
    assert trained["run"].startswith(f"{getpass.getuser()}, cli-")
    shown = nightjar("train", JOB, "--partition", TRAINED_ON)
    assert shown.code == 0
    assert snapped["dataset_version"][:40] in shown.out


def test_a_night_is_graded(nightjar: Nightjar) -> None:
    nightjar("run", JOB, "--partition", LIVE)
    answer = nightjar("grade", JOB, "--partition", LIVE, "--json")
    assert answer.code == 0
    assert answer.json["rmse"] > 0
    assert nightjar("grade", JOB, "--partition", LIVE).code == 0


def test_demo_data_is_landed_once(nightjar: Nightjar) -> None:
    answer = nightjar("upstream", JOB, "--from", "2024-03-06", "--to", "2024-03-07", "--json")
    assert answer.code == 0
    assert (answer.json["landed"], answer.json["present"]) == (2, 2)
    assert nightjar("upstream", JOB, "--from", "2024-03-06", "--to", "2024-03-07").code == 0


def test_files_are_landed_as_a_delivery(nightjar: Nightjar, tmp_path: Path) -> None:
    table = MeterUpstream().deliver("meters", date(2024, 3, 9))
    path = tmp_path / "meters.parquet"
    pq.write_table(table, path)
    answer = nightjar("land", JOB, "meters", str(path), "--partition", "2024-03-09", "--json")
    assert answer.code == 0
    assert (answer.json["rows"], answer.json["new"]) == (METERS, True)
    assert nightjar("land", JOB, "meters", str(path), "--partition", "2024-03-09").code == 0


def test_a_file_that_is_no_parquet_is_not_landed(nightjar: Nightjar, environment: Path, tmp_path: Path) -> None:
    path = tmp_path / "meters.parquet"
    path.write_text("meter_id,region\n1,north\n")
    answer = nightjar("land", JOB, "meters", str(path), "--partition", "2024-03-09")
    assert answer.code == 1
    assert "nothing was landed" in answer.error
    assert not (environment / "lake/upstream/meters/partition=2024-03-09").exists()


def test_landing_what_was_corrected_since_says_that_runs_take_the_correction(
    nightjar: Nightjar, tmp_path: Path
) -> None:
    table = MeterUpstream().deliver("meters", date(2024, 3, 9))
    assert table is not None
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    pq.write_table(table, paths[0])
    pq.write_table(table.slice(1), paths[1])
    for path in paths:
        assert nightjar("land", JOB, "meters", str(path), "--partition", "2024-03-09", "--json").json["newest"]
    again = nightjar("land", JOB, "meters", str(paths[0]), "--partition", "2024-03-09", "--json")
    assert again.code == 0
    assert (again.json["new"], again.json["newest"]) == (False, False)
    assert "runs take that one" in " ".join(again.error.split())
