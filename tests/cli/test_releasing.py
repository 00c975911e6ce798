"""Commands about releases, on the second job."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.conftest import JOB, Nightjar
from tests.tasks.nights import LIVE, NEXT


@pytest.fixture
def nights(nightjar: Nightjar) -> list[str]:
    """Two nights were released; their generations."""
    answers = [nightjar("run", JOB, "--partition", day, "--json") for day in (LIVE, NEXT)]
    return [answer.json["stages"][-1]["generation"] for answer in answers]


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
    shown = nightjar("run", JOB, "--partition", NEXT, "--dry-run")
    assert "a dry run" in " ".join(shown.out.split())
    verified = [release for release in nightjar("releases", JOB, "--json").json if release["header"]]
    assert verified == before


def test_a_basis_has_one_of_two_names(nightjar: Nightjar) -> None:
    answer = nightjar("run", JOB, "--partition", LIVE, "--basis", "as i like it")
    assert answer.code == 1
    assert "as known then" in answer.error
