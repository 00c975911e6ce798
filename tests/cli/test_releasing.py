"""Commands about releases, on the second job."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import JOB, Nightjar, UseKept
from tests.meter_readings.job import JOB as DECLARED
from tests.meter_readings.upstream import MeterUpstream
from tests.tasks.conftest import Prepare
from tests.tasks.kept import Kept
from tests.tasks.nights import LIVE, NEXT, run_night


@pytest.fixture(scope="module")
def kept_nights(scored_home: Path, prepare: Prepare) -> Kept:
    """Two nights were released."""
    return prepare(
        Kept(scored_home, datetime.now(UTC)),
        lambda workspace: [
            run_night(workspace, DECLARED, day, f"run-{day}")["publish"]["generation"] for day in (LIVE, NEXT)
        ],
    )


@pytest.fixture
def nights(kept_nights: Kept, use_kept: UseKept) -> list[str]:
    """Their generations."""
    return list(use_kept(kept_nights))


def test_a_release_is_explained_in_json_and_to_people(nightjar: Nightjar, nights: list[str]) -> None:
    answer = nightjar("explain", JOB, nights[0], "--json")
    assert answer.code == 0
    assert answer.json["manifest"]["partition"] == LIVE
    assert [event["kind"] for event in answer.json["history"]] == ["released"]
    shown = nightjar("explain", JOB, nights[0])
    assert shown.code == 0
    for words in ("deliveries", "accounting", "release gate", "what became of it"):
        assert words in shown.out


def test_explaining_needs_no_redis(nightjar: Nightjar, nights: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTJAR_REDIS_URL", "redis://127.0.0.1:1/0")
    assert nightjar("explain", JOB, nights[0]).code == 0


def test_two_releases_are_compared(nightjar: Nightjar, nights: list[str]) -> None:
    answer = nightjar("diff", JOB, *nights, "--json")
    assert answer.code == 0
    assert answer.json["overall"]["lost"] == 0
    shown = nightjar("diff", JOB, *nights)
    assert shown.code == 0
    assert "what it came from" in shown.out


def test_two_nights_whose_ids_hold_the_day_are_compared_with_a_remark(
    nightjar: Nightjar, nights: list[str], tmp_path: Path
) -> None:
    table = MeterUpstream().deliver("meters", date.fromisoformat(NEXT))
    assert table is not None
    path = tmp_path / "meters.parquet"
    pq.write_table(table.set_column(0, "meter_id", pc.add(table["meter_id"], 1_000_000)), path)
    nightjar("land", JOB, "meters", str(path), "--partition", NEXT)
    other = nightjar("run", JOB, "--partition", NEXT, "--json").json["stages"][-1]["generation"]
    assert "ids seem to hold their day" in nightjar("diff", JOB, nights[0], other).out
    assert "ids seem to hold their day" not in nightjar("diff", JOB, *nights).out


def test_a_rollback_and_what_it_rejected(nightjar: Nightjar, nights: list[str]) -> None:
    answer = nightjar("rollback", JOB, "--why", "too warm", "--who", "Jane Doe", "--json")
    assert answer.code == 0
    assert (answer.json["generation"], answer.json["rejected"]) == (nights[0], [nights[1]])
    assert nightjar("status", JOB, "--json").json["generation"] == nights[0]
    again = nightjar("run", JOB, "--partition", NEXT)
    assert again.code == 1
    assert "--release-rejected" in again.error
    assert nightjar("run", JOB, "--partition", NEXT, "--release-rejected").code == 0


def test_a_rollback_does_not_wait_for_libraries_that_it_has_no_use_for(nightjar: Nightjar, nights: list[str]) -> None:
    program = (
        "import json, sys; from pipeline.cli.application import run; code = run(); print(json.dumps([*sys.modules]))"
    )
    command = [sys.executable, "-c", program, "rollback", JOB, "--why", "too warm", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer, end = json.JSONDecoder().raw_decode(done.stdout)
    assert answer["generation"] == nights[0]
    heavy = {"great_expectations", "mlflow", "numpy", "pandas", "pandera", "pyarrow", "sklearn"}
    assert not heavy & set(json.loads(done.stdout[end:]))


def test_a_rollback_is_told_to_people(nightjar: Nightjar, nights: list[str]) -> None:
    shown = nightjar("rollback", JOB, "--to", nights[0], "--why", "too warm")
    assert shown.code == 0
    assert nights[1] in shown.out


def test_republishing_what_is_there_changes_nothing(nightjar: Nightjar, nights: list[str]) -> None:
    answer = nightjar("republish", JOB, "--json")
    assert answer.code == 0
    assert answer.json["generations"] == dict.fromkeys(reversed(nights), "present")
    assert nightjar("republish", JOB).code == 0


def test_an_approval_that_nobody_waits_for_is_an_error(nightjar: Nightjar, nights: list[str]) -> None:
    answer = nightjar("approve", JOB, nights[1], "--why", "fine")
    assert answer.code == 1
    assert "does not wait" in answer.error


def test_a_dry_run_leaves_nothing(nightjar: Nightjar, nights: list[str]) -> None:
    before = nightjar("releases", JOB, "--json").json
    answer = nightjar("run", JOB, "--partition", NEXT, "--dry-run", "--json")
    assert answer.json["stages"][-1]["result"] == "dry_run"
    assert nightjar("releases", JOB, "--json").json == before


def test_a_dry_run_does_not_say_that_it_published(nightjar: Nightjar, nights: list[str]) -> None:
    run = nightjar("run", JOB, "--partition", NEXT, "--dry-run")
    assert "a dry run" in " ".join(run.out.split())
    for shown in (run, nightjar("runs", JOB, "--partition", NEXT)):
        assert "would be published" in shown.out
        assert "publish (dry run)" in shown.out
    wet = nightjar("run", JOB, "--partition", NEXT)
    for shown in (wet, nightjar("runs", JOB, "--partition", NEXT)):
        assert "published" in shown.out
        assert "would be" not in shown.out
        assert "dry run" not in shown.out


def test_a_basis_has_one_of_two_names(nightjar: Nightjar) -> None:
    for other in ("as i like it", "as corrected"):
        answer = nightjar("run", JOB, "--partition", LIVE, "--basis", other)
        assert answer.code == 1
        assert "as_corrected or as_known_then" in answer.error


def test_a_basis_is_told_as_it_is_typed(nightjar: Nightjar, nights: list[str]) -> None:
    answer = nightjar("run", JOB, "--partition", NEXT, "--basis", "as_corrected", "--json")
    generation = answer.json["stages"][-1]["generation"]
    for shown in (nightjar("explain", JOB, generation), nightjar("status", JOB), nightjar("diff", JOB, *nights)):
        assert "as_corrected" in shown.out
        assert "as corrected" not in shown.out
