"""Predictions are unusual as seldom as stated, and not because a night is small."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from pipeline.job.monitoring import Monitoring
from pipeline.monitoring import Observed, Outputs, Signal
from pipeline.stages.monitor.output_signals import judge_outputs
from pipeline.stages.monitor.outputs import OutputTally, recall_edges
from tests.monitoring_records import make_observed, name_night
from tests.stages.parcel_job import PARCELS

GATE = PARCELS.training.gate.model_copy(update={"min_segment": 20})
JOB = PARCELS.model_copy(
    update={
        "decision_threshold": 0.5,
        "segments": ("depot",),
        "training": PARCELS.training.model_copy(update={"gate": GATE}),
    }
)
LIMITS = Monitoring(history=60)
DEPOTS = ["north", "south", "east", "west", "port"]
NAMES = ["outputs.drift", "outputs.mean", "outputs.share_above", "outputs.concentration", "outputs.segments"]


def score(chance: np.random.Generator, rows: int = 800) -> pd.DataFrame:
    """Probabilities, a little higher on one night and in one depot than on and in another."""
    depots = chance.integers(len(DEPOTS), size=rows)
    level = -1 + 0.15 * chance.normal() + 0.1 * chance.normal(size=len(DEPOTS))[depots] + 0.3 * depots
    scores = np.round(1 / (1 + np.exp(-level - 0.8 * chance.normal(size=rows))), 4)
    return pd.DataFrame({"prediction": scores, "depot": np.array(DEPOTS)[depots]})


def describe(frame: pd.DataFrame) -> Outputs:
    tally = OutputTally(JOB, recall_edges(JOB, []) or ())
    tally.add(frame)
    return tally.describe()


def judge(frame: pd.DataFrame, past: list[Observed]) -> dict[str, Signal]:
    return {signal.name: signal for signal in judge_outputs(describe(frame), past[-LIMITS.history :], LIMITS)}


@cache
def watch_ordinary(seed: int) -> tuple[list[Observed], list[dict[str, Signal]]]:
    chance, past, seen = np.random.default_rng(seed), list[Observed](), []
    for number in range(130):
        frame = score(chance)
        seen.append(judge(frame, past))
        past.append(make_observed(name_night(number), *seen[-1].values(), outputs=describe(frame)))
    return past, seen


def bend(frame: pd.DataFrame, power: float, depot: str | None = None) -> pd.DataFrame:
    """Higher probabilities for a power below 1, lower ones for one above; as many different ones as before."""
    is_bent = np.full(len(frame), True) if depot is None else frame["depot"] == depot
    return frame.assign(prediction=frame["prediction"].where(~is_bent, frame["prediction"] ** power))


def test_every_signal_is_there() -> None:
    assert list(watch_ordinary(1)[1][0]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_ordinary_nights_are_beyond_a_limit_no_more_often_than_stated(name: str) -> None:
    judged = [night[name] for seed in (1, 2) for night in watch_ordinary(seed)[1] if night[name].nights >= 21]
    assert len(judged) > 200
    assert np.mean([signal.breached for signal in judged]) <= LIMITS.false_alarms + 0.03


@pytest.mark.parametrize("rows", [3, 20, 50])
def test_a_small_night_does_not_alarm_because_it_is_small(rows: int) -> None:
    past, _ = watch_ordinary(1)
    chance = np.random.default_rng(9)
    seen = [judge(score(chance, rows), past) for _ in range(40)]
    for name in NAMES:
        signals = [night[name] for night in seen if name in night]
        assert sum(signal.breached for signal in signals) <= 0.1 * len(seen), name


def test_fewer_rows_than_usual_have_wider_limits() -> None:
    past, _ = watch_ordinary(1)
    frame = score(np.random.default_rng(9), 2000)
    uppers = [judge(frame[:rows], past)["outputs.mean"].upper or 0 for rows in (2000, 800, 100, 10)]
    assert uppers[0] == uppers[1] < uppers[2] < uppers[3]


def test_predictions_that_are_all_higher_are_unusual_in_every_way_but_concentration() -> None:
    past, _ = watch_ordinary(1)
    found = judge(bend(score(np.random.default_rng(9)), 0.5), past)
    assert [name for name in NAMES if found[name].breached] == [name for name in NAMES if "concentration" not in name]
    assert found["outputs.mean"].upper is not None


def test_lower_ones_are_too() -> None:
    past, _ = watch_ordinary(1)
    found = judge(bend(score(np.random.default_rng(9)), 2), past)
    mean = found["outputs.mean"]
    assert mean.breached
    assert mean.lower is not None
    assert mean.value is not None
    assert mean.value < mean.lower


def test_a_model_that_gives_many_the_same_is_found() -> None:
    past, _ = watch_ordinary(1)
    frame = score(np.random.default_rng(9))
    frame.loc[:60, "prediction"] = 0.3512
    found = judge(frame, past)["outputs.concentration"]
    assert found.breached
    assert found.value == 61 / 800


def test_the_segment_that_is_unusual_is_named() -> None:
    past, _ = watch_ordinary(1)
    found = judge(bend(score(np.random.default_rng(9)), 0.4, "port"), past)["outputs.segments"]
    assert found.breached
    assert found.worst[0].name == "depot=port"
    assert found.worst[0].value == found.value


def test_a_first_night_has_values_and_no_limits() -> None:
    first = watch_ordinary(1)[1][0]
    assert first["outputs.drift"].muted == "there is no night before to compare with"
    assert first["outputs.mean"].value is not None
    assert first["outputs.mean"].muted == "0 of the 21 nights that a limit is learnt from"
    assert not any(signal.breached for signal in first.values())


def test_limits_come_with_the_twenty_second_night() -> None:
    _, seen = watch_ordinary(1)
    assert seen[20]["outputs.mean"].upper is None
    assert seen[21]["outputs.mean"].upper is not None
    assert seen[21]["outputs.mean"].muted is None


def test_a_job_without_threshold_and_segments_has_no_signals_of_them() -> None:
    job = JOB.model_copy(update={"decision_threshold": None, "segments": ()})
    tally = OutputTally(job, (0.0, 0.5, 1.0))
    tally.add(score(np.random.default_rng(9)))
    names = [signal.name for signal in judge_outputs(tally.describe(), [], LIMITS)]
    assert names == ["outputs.drift", "outputs.mean", "outputs.concentration"]
