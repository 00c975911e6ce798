"""Grading: what was served against what then happened."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pipeline import tasks
from pipeline.errors import NotReadyError, RefusedError
from pipeline.tasks import grade
from tests.clock import Clock
from tests.meter_readings.upstream import METERS, MeterUpstream
from tests.tasks.conftest import Served
from tests.tasks.gates import make_lossy, with_gate
from tests.tasks.nights import LIVE, NEXT, land_again, run_night


def test_predictions_are_held_against_the_readings_of_the_next_day(served: Served) -> None:
    graded = grade(served.workspace, served.job, LIVE)
    readings = MeterUpstream()._readings(date.fromisoformat(NEXT)).to_pylist()
    errors = [served.predictions[str(row["meter_id"])] - row["kwh"] for row in readings if row["kwh"] is not None]
    assert graded["rows"] == len(errors) < METERS
    assert graded["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    assert (graded["generation"], graded["model_version"]) == (served.first["publish"]["generation"], "1")
    assert graded["scored"] == METERS


def test_a_partition_that_was_not_released_cannot_be_graded(served: Served) -> None:
    with pytest.raises(NotReadyError, match="no release") as caught:
        grade(served.workspace, served.job, NEXT)
    assert (caught.value.job, caught.value.partition) == (served.job.name, NEXT)
    assert f"--partition {NEXT}" in str(caught.value.next_step)


def test_outcomes_that_are_not_known_yet_cannot_be_graded(served: Served, clock: Clock) -> None:
    clock.now = clock.now.replace(month=3, day=3, hour=20)
    with pytest.raises(NotReadyError, match="no outcome of this partition is known yet"):
        grade(served.workspace, served.job, LIVE)


def test_what_nobody_was_served_is_not_graded(served: Served) -> None:
    """An audit, a release that the gate blocked, and one that was rolled back, all newer than what is live."""
    workspace, job = served.workspace, served.job
    run_night(workspace, job, LIVE, "audit", basis="as_known_then")
    land_again(workspace, "meters", LIVE, lambda table: table.slice(1))
    run_night(workspace, job, LIVE, "bad")
    first = served.first["publish"]["generation"]
    tasks.roll_back(workspace, job, first, with_model=False, who="Jane Doe", why="a meter is missing")
    make_lossy(workspace, LIVE)
    with pytest.raises(RefusedError, match="blocked"):
        run_night(workspace, with_gate(served, on_breach="block").job, LIVE, "lossy")
    assert grade(workspace, job, LIVE)["generation"] == first
