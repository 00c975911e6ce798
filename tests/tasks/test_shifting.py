"""Which features moved the scores of a night, against an ordinary one or against one that was named."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipeline import tasks
from pipeline.errors import NotReadyError, RefusedError
from pipeline.job import Job
from pipeline.stores.release_log import ReleaseEvent, ReleaseLog
from pipeline.tasks import Workspace
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from tests.clock import Clock
from tests.meter_readings.upstream import MeterUpstream
from tests.monitoring_records import make_observed, make_signal
from tests.tasks.conftest import PrepareServed, ReopenServed, Served
from tests.tasks.kept import Kept
from tests.tasks.nights import (
    LAST_DAY,
    LIVE,
    NEXT,
    land_days,
    let_pass,
    read_scores,
    run_night,
    train_model,
)

WEEK_LATER = (date.fromisoformat(LIVE) + timedelta(days=7)).isoformat()


def observe(workspace: Workspace, job: Job, partition: str, *breached: str) -> None:
    """A record of a night, as far as a comparison looks at it."""
    signals = [make_signal("x", name) for name in breached]
    workspace.monitoring(job).write_observed(make_observed(partition, *signals))


def test_contributions_add_up_to_the_difference_of_the_means(served: Served) -> None:
    workspace, job = served.workspace, served.job
    second = run_night(workspace, job, NEXT)
    moved = tasks.explain_shift(workspace, job, NEXT, LIVE)
    assert (moved.partition, moved.against, moved.model_version) == (NEXT, (LIVE,), "1")
    assert moved.generation == second["publish"]["generation"]
    assert sum(change for _, change in moved.features) == pytest.approx(moved.mean_after - moved.mean_before)
    scores = read_scores(workspace, job, second["score"])
    assert moved.rows == len(scores)
    assert moved.mean_after == pytest.approx(sum(scores.values()) / len(scores), abs=job.score_range[1] / 1e4)
    sizes = [abs(change) for _, change in moved.features]
    assert sizes == sorted(sizes, reverse=True)


def test_the_release_log_is_read_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It grows for ever, and several nights are looked up in it."""
    run_night(served.workspace, served.job, NEXT)
    looks, events = list[ReleaseLog](), ReleaseLog.events

    def look(log: ReleaseLog) -> list[ReleaseEvent]:
        looks.append(log)
        return events(log)

    monkeypatch.setattr(ReleaseLog, "events", look)
    tasks.explain_shift(served.workspace, served.job, NEXT, LIVE)
    assert len(looks) == 1


def test_what_was_found_is_kept_and_comes_out_the_same_again(served: Served) -> None:
    workspace, job = served.workspace, served.job
    run_night(workspace, job, NEXT)
    assert workspace.monitoring(job).find_moved(NEXT) is None
    moved = tasks.explain_shift(workspace, job, NEXT, LIVE)
    assert workspace.monitoring(job).find_moved(NEXT) == moved
    assert tasks.explain_shift(workspace, job, NEXT, LIVE) == moved


@pytest.fixture(scope="module")
def kept_week_later(prepare_served: PrepareServed) -> Kept:
    """The night of a week after the first one is released."""

    def run_week_later(served: Served) -> None:
        assert isinstance(served.workspace.clock, Clock)
        served.workspace.clock.advance(days=2)
        days = (LAST_DAY + timedelta(days=1), date.fromisoformat(WEEK_LATER))
        land_days(served.workspace.settings.lake, MeterUpstream(), *days)
        run_night(served.workspace, served.job, WEEK_LATER)

    return prepare_served(run_week_later)


@pytest.fixture
def week_later(kept_week_later: Kept, reopen_served: ReopenServed) -> Served:
    """A copy of it."""
    return reopen_served(kept_week_later)


def test_ordinary_nights_of_the_same_weekday_are_compared_with(week_later: Served) -> None:
    workspace, job = week_later.workspace, week_later.job
    run_night(workspace, job, NEXT)
    for partition in (LIVE, NEXT):
        observe(workspace, job, partition)
    observe(workspace, job, WEEK_LATER, "inputs.drift")
    moved = tasks.explain_shift(workspace, job, WEEK_LATER)
    assert moved.against == (LIVE,)
    assert moved == tasks.explain_shift(workspace, job, WEEK_LATER, LIVE)


@pytest.mark.parametrize(
    ("signal", "is_ordinary"),
    [("inputs.drift", False), ("outputs.mean", False), ("operations.seconds", True), ("accuracy.primary", True)],
)
def test_a_night_with_unusual_inputs_or_outputs_is_no_ordinary_one(
    week_later: Served, signal: str, is_ordinary: bool
) -> None:
    workspace, job = week_later.workspace, week_later.job
    observe(workspace, job, LIVE, signal)
    if is_ordinary:
        assert tasks.explain_shift(workspace, job, WEEK_LATER).against == (LIVE,)
        return
    with pytest.raises(NotReadyError, match="no ordinary night to compare this one with") as refused:
        tasks.explain_shift(workspace, job, WEEK_LATER)
    assert "--against" in str(refused.value.next_step)


def test_a_night_whose_features_are_gone_is_not_compared_with(week_later: Served) -> None:
    workspace, job = week_later.workspace, week_later.job
    observe(workspace, job, LIVE)
    workspace.outputs(job).remove(BUILD_STAGE, week_later.first["score"]["features"])
    with pytest.raises(NotReadyError, match="no ordinary night"):
        tasks.explain_shift(workspace, job, WEEK_LATER)
    with pytest.raises(NotReadyError, match="the features of this partition are not in the lake any more"):
        tasks.explain_shift(workspace, job, WEEK_LATER, LIVE)


def test_a_night_that_was_never_released_is_not_ready(served: Served) -> None:
    with pytest.raises(NotReadyError, match="there is no release of this partition"):
        tasks.explain_shift(served.workspace, served.job, NEXT)


def test_nights_of_different_feature_sets_are_not_compared(served: Served) -> None:
    workspace = served.workspace
    other = served.job.model_copy(update={"feature_set": "tests.meter_readings.doubled_features:FEATURES"})
    train_model(workspace, let_pass(other), run="doubled")
    run_night(workspace, other, NEXT)
    with pytest.raises(RefusedError, match="these nights were made of different feature sets"):
        tasks.explain_shift(workspace, other, NEXT, LIVE)
