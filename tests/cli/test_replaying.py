"""`nightjar replay`, on the second job."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import JOB, Nightjar


def test_a_replay_is_told_in_json_and_to_people(nightjar: Nightjar, tmp_path: Path) -> None:
    options = ("--from", "2024-03-03", "--to", "2024-03-04", "--retrain", "1d", "--policy", "never")
    answer = nightjar("replay", JOB, *options, "--report", str(tmp_path), "--json")
    assert answer.code == 0
    assert list(answer.json["policies"]) == ["never", "every_1d"]
    assert json.loads((tmp_path / "replay.json").read_text()) == answer.json
    assert b"Replay of meter_readings" in (tmp_path / "replay.html").read_bytes()
    shown = nightjar("replay", JOB, *options, "--report", str(tmp_path))
    assert shown.code == 0
    assert "every_1d" in shown.out
    assert "replay.html" in shown.out


def test_what_cannot_be_replayed_is_refused(nightjar: Nightjar) -> None:
    options = ("--from", "2024-03-03", "--to", "2024-03-04")
    assert nightjar("replay", JOB, *options, "--policy", "fortnightly").code == 1
    assert nightjar("replay", JOB, *options, "--retrain", "weekly").code == 2


def test_a_watched_policy_is_told_in_a_file_of_its_own(nightjar: Nightjar, tmp_path: Path) -> None:
    options = ("--from", "2024-03-03", "--to", "2024-03-04", "--policy", "never", "--report", str(tmp_path))
    answer = nightjar("replay", JOB, *options, "--watch", "never", "--json")
    assert answer.code == 0
    assert "watched" not in answer.json
    watched = json.loads((tmp_path / "watched.json").read_text())
    assert [night["partition"] for night in watched["nights"]] == ["2024-03-03", "2024-03-04"]
    assert nightjar("replay", JOB, *options, "--watch", "weekly").code == 2
