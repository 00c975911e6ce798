"""What people are shown, out of the real stores."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline import tasks
from pipeline.errors import BadInputError, NotReadyError
from pipeline.stores.remembered import RememberedFiles
from pipeline.tasks import Workspace
from tests.clock import Clock
from tests.meter_readings.job import JOB
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE
from tests.tasks.viewing.conftest import LAST, ORDINARY


def test_a_job_is_shown_with_its_nights_alarms_marks_and_models(watched: Workspace) -> None:
    view = tasks.view_job(watched, JOB, RememberedFiles(100))
    assert len(view["partitions"]) == 30
    assert view["newest"]["partition"] == LAST
    assert view["newest_graded"]["partition"] == view["partitions"][-3]
    assert all(len(signal["values"]) == 30 for signal in view["signals"].values())
    assert [model["role"] for model in view["models"]] == ["challenger", "champion"]
    assert [item["partition"] for item in view["held"]] == [view["partitions"][-2]]
    assert json.loads(json.dumps(view)) == view


def test_a_job_without_any_night_is_shown_too(workspace: Workspace) -> None:
    view = tasks.view_job(workspace, JOB, RememberedFiles(100))
    assert (view["partitions"], view["newest"], view["models"]) == ([], None, [])
    live = tasks.view_live(workspace, JOB)
    assert live["live"] is None
    assert live["problem"]


def test_a_record_that_was_replaced_is_seen(watched: Workspace) -> None:
    memory: RememberedFiles[dict[str, object]] = RememberedFiles(100)
    before = tasks.identify_view(watched, JOB), tasks.view_job(watched, JOB, memory)
    night = watched.monitoring(JOB).find_observed(LAST)
    assert night is not None
    watched.monitoring(JOB).write_observed(night.model_copy(update={"rows": 3}))
    assert tasks.identify_view(watched, JOB) != before[0]
    assert tasks.view_job(watched, JOB, memory)["nights"]["rows"][-1] == 3


def test_what_is_live_comes_with_its_age_and_accounting(watched: Workspace) -> None:
    live = tasks.view_live(watched, JOB)
    assert live["live"]["partition"] == LAST
    assert (
        live["live"]["age_seconds"] == (watched.clock() - JOB.cutoff(tasks.parse_partition(LAST, JOB))).total_seconds()
    )
    assert live["damaged"] is None
    assert live["accounting"]["received"] == live["accounting"]["quarantined"] + live["accounting"]["scored"]


def test_ages_are_by_the_clock_that_a_setting_moves(watched: Workspace) -> None:
    """So data of another time is as old as it was then, which the page says."""
    cutoff = JOB.cutoff(tasks.parse_partition(LAST, JOB))
    wall = Clock(cutoff + timedelta(days=4000))
    by_wall = tasks.view_live(tasks.open_workspace(watched.settings, wall), JOB)
    assert (by_wall["clock_moved"], by_wall["live"]["stale"]) == (False, True)
    settings = watched.settings.model_copy(update={"moved_clock": "-P3999DT20H"})
    for hours in (4, 5):
        live = tasks.view_live(tasks.open_workspace(settings, wall), JOB)
        assert (live["clock_moved"], datetime.fromisoformat(live["now"])) == (True, cutoff + timedelta(hours=hours))
        assert (live["live"]["stale"], live["live"]["age_seconds"]) == (False, hours * 3600)
        wall.advance(hours=1)


def test_a_redis_that_does_not_answer_is_said_in_words(watched: Workspace) -> None:
    settings = watched.settings.model_copy(
        update={"redis_reader_url": type(watched.settings.redis_url)("redis://127.0.0.1:1/0")}
    )
    live = tasks.view_live(tasks.open_workspace(settings, watched.clock), JOB)
    assert live["live"] is None
    assert "Redis" in live["problem"]


def test_a_job_whose_alarms_cannot_be_read_says_so_beside_what_is_live(watched: Workspace) -> None:
    """And the others of the list are shown as they are."""
    (folder,) = {path.parent for path in Path(watched.settings.lake).rglob("alarms/000001.json")}
    (folder / "000001.json").write_text("{")
    live = tasks.view_live(watched, JOB)
    assert live["live"]["partition"] == LAST
    assert (live["open_alarms"], "000001.json is not JSON" in live["damaged"]) == (None, True)


def test_a_night_has_neighbours_and_the_alarms_that_were_open(watched: Workspace) -> None:
    night = tasks.view_night(watched, JOB, LAST)
    assert (night["previous"], night["next"]) == ("2024-03-08", None)
    assert [stage["stage"] for stage in night["stages"]] == ["ingest", "validate", "build_features", "score", "publish"]
    assert all(episode["since"] <= LAST for episode in night["episodes"])


def test_a_night_beyond_its_limits_shows_what_moved_its_scores(watched: Workspace) -> None:
    moved = tasks.view_night(watched, JOB, LAST)["moved"]
    assert moved["partition"] == LAST
    assert sum(change for _, change in moved["features"]) == pytest.approx(moved["mean_after"] - moved["mean_before"])
    assert tasks.view_job(watched, JOB, RememberedFiles(100))["newest"]["moved"] == moved
    assert tasks.view_night(watched, JOB, ORDINARY)["moved"] is None


def test_what_moved_the_scores_of_another_generation_is_not_shown(watched: Workspace) -> None:
    records = watched.monitoring(JOB)
    night = records.find_observed(LAST)
    assert night is not None
    records.write_observed(night.model_copy(update={"generation": "99-beef"}))
    assert tasks.view_night(watched, JOB, LAST)["moved"] is None


def test_two_distributions_are_shares_over_the_same_bins(watched: Workspace) -> None:
    for against in ("reference", "weekday"):
        found = tasks.view_feature(watched, JOB, LAST, "carrier", against)
        assert len(found["bins"]) == len(found["tonight"]) == len(found["others"])
        assert sum(found["tonight"]) == pytest.approx(1, abs=1e-4)
        assert sum(found["others"]) == pytest.approx(1, abs=1e-4)


def test_a_feature_that_was_not_profiled_is_no_night(watched: Workspace) -> None:
    with pytest.raises(NotReadyError, match="no two distributions"):
        tasks.view_feature(watched, JOB, LAST, "no_such_feature", "reference")
    with pytest.raises(BadInputError):
        tasks.view_feature(watched, JOB, "../secrets", "carrier", "reference")


def test_a_night_that_was_really_watched_is_shown(served: Served) -> None:
    """Records, profiles and the reference as the watch task writes them."""
    workspace, job, published = served.workspace, served.job, served.first["publish"]
    tasks.watch(workspace, job, LIVE, published["run"], published)
    view = tasks.view_job(workspace, job, RememberedFiles(100))
    assert view["partitions"] == [LIVE]
    assert view["nights"]["quarantined"] == [sum(view["newest"]["observed"]["operations"]["quarantined"].values())]
    assert {stage["stage"] for stage in view["newest"]["stages"]} >= {"ingest", "score", "publish", "watch"}
    features = {item["feature"] for item in view["newest"]["observed"]["drift"] if item["against"] == "reference"}
    assert features
    for feature in features:
        found = tasks.view_feature(workspace, job, LIVE, feature, "reference")
        assert found["rows"] == published["rows"]
        assert sum(found["tonight"]) == pytest.approx(1, abs=1e-3)
    page = workspace.lake.read_bytes(tasks.write_night_report(workspace, job, LIVE)).decode()
    assert all(feature in page for feature in sorted(features)[:3])
