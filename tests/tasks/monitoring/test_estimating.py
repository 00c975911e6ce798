"""A night is estimated by what it can know: nights whose labels had closed by its own cutoff."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.job import Job
from pipeline.monitoring import Graded, Signal
from pipeline.stages.monitor.outcomes import PRIMARY
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace, grade_closed
from pipeline.tasks.monitoring.estimating import estimate_night, estimate_signal
from pipeline.tasks.scoring import SCORE_STAGE
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE

DAYS = [f"2024-{month:02}-{day:02}" for month, days in ((1, 31), (2, 29), (3, 9)) for day in range(1, days + 1)]


@pytest.fixture
def job(job: Job) -> Job:
    """The second job, of which seven graded nights are enough."""
    return job.model_copy(update={"monitoring": job.monitoring.model_copy(update={"minimum": 7})})


def load_scores(served: Served) -> Output:
    return served.workspace.outputs(served.job).load(SCORE_STAGE, served.first["score"]["output"])


def write_past(served: Served, job: Job, last: str, nights: int, error: float = 1.0) -> None:
    """Gradings up to ``last``: the calibration of the served night, with errors of this size."""
    grade_closed(served.workspace, job, "feedback", partition=LIVE)
    graded = served.workspace.monitoring(job).find_graded(LIVE)
    assert graded is not None
    bins = [each.model_copy(update={"absolute_error": error, "squared_error": error**2}) for each in graded.calibration]
    end = DAYS.index(last) + 1
    for day in DAYS[end - nights : end]:
        signals = (Signal(name=PRIMARY, value=error),)
        write(served.workspace, job, graded, day, calibration=tuple(bins), metrics={"rmse": error}, signals=signals)


def write(workspace: Workspace, job: Job, graded: Graded, day: str, **facts: object) -> None:
    workspace.monitoring(job).write_graded(graded.model_copy(update={"partition": day, **facts}))


def test_with_too_few_graded_nights_there_is_no_estimate(served: Served, job: Job) -> None:
    write_past(served, job, "2024-03-02", 6)
    assert estimate_night(served.workspace, job, LIVE, load_scores(served)) is None


def test_the_estimate_is_what_past_nights_say_of_such_scores(served: Served, job: Job) -> None:
    write_past(served, job, "2024-03-02", 7, error=2.5)
    estimate = estimate_night(served.workspace, job, LIVE, load_scores(served))
    assert estimate is not None
    assert estimate.metrics == pytest.approx({"rmse": 2.5, "mae": 2.5})
    assert estimate.muted == "estimates were held against labels on 0 nights; 7 are needed"
    signal = estimate_signal(job, estimate, [])
    assert (signal.name, signal.value, signal.muted) == ("accuracy.estimate", estimate.metrics["rmse"], estimate.muted)


def test_a_night_that_is_run_again_knows_no_more_than_it_did(served: Served, job: Job) -> None:
    """The labels of its own day and of later ones are graded by now, and are those of the future."""
    write_past(served, job, "2024-03-02", 7, error=2.5)
    scores = load_scores(served)
    before = estimate_night(served.workspace, job, LIVE, scores)
    write_past(served, job, "2024-03-08", 6, error=99.0)
    assert estimate_night(served.workspace, job, LIVE, scores) == before


def test_only_the_newest_nights_teach(served: Served, job: Job) -> None:
    write_past(served, job, "2024-02-20", 30, error=99.0)
    write_past(served, job, "2024-03-02", 14, error=2.5)
    watched = job.monitoring.model_copy(update={"history": 14})
    estimate = estimate_night(
        served.workspace, job.model_copy(update={"monitoring": watched}), LIVE, load_scores(served)
    )
    assert estimate is not None
    assert np.isclose(estimate.metrics["rmse"], 2.5)
