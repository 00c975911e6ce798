"""After the demo, whose data is of 2013, `nightjar check` says so and names the clock by which all is well."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from pipeline.jobs.flight_delays.job import JOB
from pipeline.local.demo import AS_OF, NIGHTS
from pipeline.tasks import Workspace, check_jobs, open_workspace
from tests.clock import Clock
from tests.stores.predictions.samples import make_predictions, send_all, split


@pytest.fixture
def demo(workspace: Workspace, clock: Clock) -> Workspace:
    """The nights of the demo are released, in 2026."""
    clock.now = datetime(2026, 11, 21, tzinfo=UTC)
    store, log = workspace.predictions, workspace.release_log(JOB)
    predictions = make_predictions(200)
    for night in NIGHTS:
        with store.begin(JOB.name, night, len(predictions), 2, 0) as load:
            send_all(load, split(predictions, 2))
            header = load.make_header(
                cutoff=JOB.cutoff(date.fromisoformat(night)),
                model_version="1",
                feature_set="flights@1",
                columns=("score",),
                max_age_seconds=int(JOB.max_age.total_seconds()) if JOB.max_age else None,
                manifest="ab" * 32,
            )
            load.seal(header)
        store.flip(JOB.name, load.generation, load.token)
        log.append(
            "released",
            generation=load.generation,
            partition=night,
            token=load.token,
            inputs="",
            who="demo",
            why="",
            header=header.to_json_object(),
        )
    return workspace


def test_the_demo_is_told_as_data_of_2013(demo: Workspace) -> None:
    (checked,) = check_jobs(demo, [JOB])["jobs"].values()
    says = {finding["part"]: (finding["state"], finding["says"]) for finding in checked["findings"]}
    assert says["live"][0] == "fine"
    assert says["age"] == (
        "wrong",
        "the predictions are of 2013-04-02, 4979 d 16 h old, where at most 1 d 12 h are allowed; the data is of 2013, "
        f"and upstream has none after 2013-12-30: to see it as of its own time, set NIGHTJAR_CLOCK={AS_OF}",
    )


@pytest.mark.parametrize("setting", [AS_OF, "-P4979DT11H"])
def test_with_the_clock_that_it_names_all_is_well(demo: Workspace, clock: Clock, setting: str) -> None:
    moved = open_workspace(demo.settings.model_copy(update={"moved_clock": setting}), clock)
    assert check_jobs(moved, [JOB])["fine"]
