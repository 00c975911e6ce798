"""The commands that explain: why a prediction is what it is, and what moved a night."""

from __future__ import annotations

import pytest

from tests.cli.conftest import JOB, Nightjar
from tests.meter_readings.upstream import FIRST_ID, METERS
from tests.tasks.nights import LIVE, NEXT


@pytest.fixture
def live(nightjar: Nightjar) -> Nightjar:
    """A night is live."""
    assert nightjar("run", JOB, "--partition", LIVE).code == 0
    return nightjar


def find_ids(live: Nightjar) -> dict[str, str]:
    """An id of each state, as the first meters happen to have them."""
    ids = [str(FIRST_ID + 2 * number) for number in range(METERS)]
    return {answer["explained"]: answer["entity_id"] for answer in live("get", JOB, *ids, "--reasons", "--json").json}


def test_reasons_are_told_with_the_prediction(live: Nightjar) -> None:
    ids = find_ids(live)
    assert set(ids) == {"explained", "not_among_highest"}
    (answer,) = live("get", JOB, ids["explained"], "--reasons", "--json").json
    (plain,) = live("get", JOB, ids["explained"], "--json").json
    assert {name: answer[name] for name in plain if name != "age"} == {
        name: value for name, value in plain.items() if name != "age"
    }
    assert 1 <= len(answer["reasons"]) <= 3
    shown = live("get", JOB, ids["explained"], "--reasons")
    assert shown.code == 0
    for feature, contribution in answer["reasons"]:
        assert feature in shown.out
        assert f"{contribution:+}" in shown.out


def test_why_there_are_none_is_told_and_is_no_error(live: Nightjar) -> None:
    shown = live("get", JOB, find_ids(live)["not_among_highest"], "17", "--reasons")
    assert shown.code == 0
    assert "no reasons: only the highest predictions of a night are explained" in shown.out
    assert "17: no reasons: it is not in the population" in shown.out


def test_what_moved_a_night_is_told_feature_by_feature(live: Nightjar) -> None:
    assert live("run", JOB, "--partition", NEXT).code == 0
    answer = live("moved", JOB, NEXT, "--against", LIVE, "--json")
    assert answer.code == 0
    found = answer.json
    assert (found["partition"], found["against"]) == (NEXT, [LIVE])
    assert sum(change for _, change in found["features"]) == pytest.approx(found["mean_after"] - found["mean_before"])
    shown = live("moved", JOB, NEXT, "--against", LIVE)
    assert shown.code == 0
    assert found["features"][0][0] in shown.out
    assert f"{found['mean_after']:.4f}" in shown.out


def test_a_night_without_any_to_compare_with_says_what_to_do(live: Nightjar) -> None:
    answer = live("moved", JOB, LIVE)
    assert answer.code == 1
    assert "--against" in answer.error


@pytest.mark.parametrize("arguments", [("yesterday",), (LIVE, "--against", "yesterday")])
def test_what_is_no_partition_is_refused(nightjar: Nightjar, arguments: tuple[str, ...]) -> None:
    assert nightjar("moved", JOB, *arguments).code == 1
