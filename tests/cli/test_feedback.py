"""The command that grades what was served, on the second job."""

from __future__ import annotations

from tests.cli.conftest import JOB, Nightjar
from tests.tasks.nights import LIVE, NEXT


def test_what_is_due_is_graded_once_and_told_in_json(nightjar: Nightjar) -> None:
    nightjar("run", JOB, "--partition", LIVE)
    first = nightjar("feedback", JOB, "--json")
    assert first.code == 0
    (night,) = first.json["graded"]
    assert (night["partition"], night["metric"], night["gradings"]) == (LIVE, "rmse", 1)
    assert night["realised"] > 0
    assert nightjar("feedback", JOB, "--json").json["graded"] == []


def test_people_are_told_what_was_graded_and_what_was_not(nightjar: Nightjar) -> None:
    nightjar("run", JOB, "--partition", LIVE)
    shown = nightjar("feedback", JOB)
    assert shown.code == 0
    assert all(words in shown.out for words in (LIVE, "rmse", "estimate", "gap"))
    again = nightjar("feedback", JOB)
    assert again.code == 0
    assert f"nothing of {JOB} was to be graded" in again.out
    missing = nightjar("feedback", JOB, "--partition", NEXT)
    assert missing.code == 0
    assert f"not graded: {NEXT}: no release of it was served" in missing.error


def test_what_is_no_date_is_refused(nightjar: Nightjar) -> None:
    assert nightjar("feedback", JOB, "--partition", "yesterday").code == 1
