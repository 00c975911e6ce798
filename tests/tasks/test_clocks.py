"""The clock that a setting moves, and the one that nothing does."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import DeclarationError
from pipeline.job import Job
from pipeline.settings import Settings
from pipeline.tasks import Workspace, open_workspace, pin_release, read_run
from pipeline.tasks.clocks import MovedClock, move_clock, now_utc
from tests.clock import Clock
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, run_night

NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("setting", "first", "later"),
    [
        ("", NOON, NOON + timedelta(hours=1)),
        ("2013-04-03T12:00:00Z", datetime(2013, 4, 3, 12, tzinfo=UTC), datetime(2013, 4, 3, 12, tzinfo=UTC)),
        ("2013-04-03T08:00:00-04:00", datetime(2013, 4, 3, 12, tzinfo=UTC), datetime(2013, 4, 3, 12, tzinfo=UTC)),
        ("-P10D", NOON - timedelta(days=10), NOON - timedelta(days=10) + timedelta(hours=1)),
        ("PT36H", NOON + timedelta(hours=36), NOON + timedelta(hours=37)),
    ],
)
def test_a_moment_stands_still_and_an_offset_goes_on(setting: str, first: datetime, later: datetime) -> None:
    wall = Clock(NOON)
    clock = move_clock(wall, setting)
    assert clock() == first
    wall.advance(hours=1)
    assert clock() == later


@pytest.mark.parametrize("setting", ["2013-04-03", "2013-04-03T12:00:00", "yesterday", "-10", "P", "-Px", "1364990400"])
def test_what_is_no_time_is_refused(setting: str) -> None:
    with pytest.raises(DeclarationError, match="NIGHTJAR_CLOCK is no time"):
        move_clock(now_utc, setting)


def test_a_moved_clock_goes_to_other_processes(settings: Settings) -> None:
    moved = open_workspace(settings.model_copy(update={"moved_clock": "2013-04-03T12:00:00Z"}))
    again = pickle.loads(pickle.dumps(moved))  # noqa: S301 - it was pickled here
    assert again.clock() == datetime(2013, 4, 3, 12, tzinfo=UTC)
    assert again.wall_clock is now_utc


def test_partitions_close_by_the_moved_clock_and_stamps_are_the_walls(served: Served, clock: Clock, job: Job) -> None:
    """A moved clock could believe that readers have let go of what was retired a second ago."""
    workspace = served.workspace
    moved = Workspace(workspace.settings, MovedClock(clock, datetime(2034, 1, 1, tzinfo=UTC)))
    run_night(moved, job, NEXT)
    assert {stage["started_at"] for stage in read_run(moved, job, NEXT)["stages"]} == {clock().isoformat()}
    live = moved.predictions.live(job.name)
    assert live is not None
    assert live.header.published_at == clock()
    assert {event.at for event in moved.release_log(job).events()} == {clock().isoformat(timespec="seconds")}
    generation = served.first["publish"]["generation"]
    assert moved.janitor.prune(job.name) == []
    pin_release(moved, job, generation, who="ann", why="to compare")
    (pinned,) = [item for item in moved.predictions.generations(job.name) if item.pin is not None]
    assert pinned.pin is not None
    assert pinned.pin.at == clock().isoformat(timespec="seconds")
    assert LIVE < NEXT
