"""After a release the night is watched: that cannot fail the night, is seen when it fails, may ask for a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.models.dagrun import DagRun

from pipeline import tasks
from pipeline.alerts.runbooks import RUNBOOKS
from pipeline.errors import DamagedError
from pipeline.monitoring import Signal
from pipeline.tasks import Workspace
from pipeline.tasks.monitoring import watching
from pipeline.tasks.monitoring.inputs import observe_inputs
from tests.dags.jobs.rides import JOB
from tests.dags.scheduler import Scheduler
from tests.dags.test_triggered_retraining import RETRAINING
from tests.dags.test_whole_runs import NIGHTLY, STAGES, landed, settings_of, trained, use_home
from tests.stores.predictions.conftest import server, shared_server

__all__ = ["landed", "server", "shared_server", "trained", "use_home"]

BEFORE, NIGHT = "2024-05-11", "2024-05-12"
GATED = "nightly_scoring_gated_rides"


def run_until_published(scheduler: Scheduler, partition: str) -> DagRun:
    """A night that is live and was not watched yet."""
    body = {"logical_date": None, "conf": {"partition": partition}}
    assert scheduler.rest.post(f"/api/v2/dags/{NIGHTLY}/dagRuns", json=body).status_code == 200
    run = scheduler.list_runs(NIGHTLY)[-1]
    assert {scheduler.run_task(run, stage)[0] for stage in STAGES} == {"success"}
    return run


@pytest.fixture
def published(scheduler: Scheduler, use_home: Callable[[Path], None], trained: Path) -> DagRun:
    use_home(trained)
    return run_until_published(scheduler, NIGHT)


@pytest.fixture
def workspace(published: DagRun, tmp_path: Path) -> Workspace:
    return tasks.open_workspace(settings_of(tmp_path / "home"))


def test_it_comes_after_the_release_and_nothing_but_its_event_after_it(dags: dict[str, Any]) -> None:
    watch = dags[NIGHTLY].get_task("watch")
    assert (watch.upstream_task_ids, watch.downstream_task_ids) == ({"publish"}, {"ask_for_training"})
    assert watch.retries == 3
    assert dags[GATED].get_task("watch").upstream_task_ids == {"publish", "release_approved"}
    for task in ("watch", "ask_for_training"):
        assert dags[NIGHTLY].get_task(task).is_teardown


def test_an_ordinary_night_is_watched_and_asks_for_nothing(
    scheduler: Scheduler, published: DagRun, workspace: Workspace
) -> None:
    state, seen = scheduler.run_task(published, "watch")
    assert (state, seen["watched"], seen["ask"]) == ("success", True, None)
    assert workspace.monitoring(JOB).find_observed(NIGHT) is not None
    assert scheduler.run_task(published, "ask_for_training")[0] == "skipped"
    assert scheduler.end_run(published) == "success"


def test_what_goes_wrong_fails_the_task_calls_the_owner_and_leaves_the_run_a_success(
    scheduler: Scheduler, published: DagRun, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    workspace.lake.replace(f"jobs/{JOB.name}/monitoring/observed/{BEFORE}.json", b"{}")
    assert scheduler.watch_night(published) == ("failed", "skipped")
    assert "task=watch" in caplog.text
    assert JOB.owner.email in caplog.text
    record = tasks.read_run(workspace, JOB, NIGHT)["stages"][-1]
    assert (record["stage"], record["state"], record["error"]["error"]) == ("watch", "failed", "DamagedError")
    assert scheduler.end_run(published) == "success"


def test_what_was_raised_before_it_went_wrong_is_told_and_asked_for(
    scheduler: Scheduler,
    published: DagRun,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The night's alarm stands, so that no later night raises it: it is told now, or never."""
    drift_every_night(monkeypatch)
    assert scheduler.watch_night(run_until_published(scheduler, BEFORE)) == ("success", "skipped")

    def break_off(*_: Any) -> list[str]:
        raise DamagedError("the report is not what it was", job=JOB.name)

    monkeypatch.setattr(watching, "refresh_report", break_off)
    assert scheduler.watch_night(published) == ("failed", "success")
    assert "task=watch" in caplog.text
    assert RUNBOOKS["inputs.drift"].meaning in caplog.text
    assert scheduler.end_run(published) == "success"


def test_a_night_that_was_not_published_is_not_watched(
    scheduler: Scheduler, use_home: Callable[[Path], None], trained: Path
) -> None:
    """Of 2024-05-20 nothing was delivered, and its deadline is past."""
    use_home(trained)
    night = scheduler.dags[NIGHTLY].test(logical_date=None, run_conf={"partition": "2024-05-20"})
    states = {instance.task_id: str(instance.state) for instance in night.get_task_instances()}
    assert (night.state, states["watch"], states["ask_for_training"]) == ("failed", "skipped", "skipped")


def test_an_alarm_of_drift_starts_a_training_for_the_night_and_says_why(
    scheduler: Scheduler,
    published: DagRun,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The night before was beyond the limit, and so, says a stand-in for its statistics, is this one."""
    scheduler.rest.patch(f"/api/v2/dags/{RETRAINING}", json={"is_paused": False})
    drift_every_night(monkeypatch)
    before = run_until_published(scheduler, BEFORE)
    assert scheduler.watch_night(before) == ("success", "skipped")
    assert scheduler.watch_night(published) == ("success", "success")
    scheduler.schedule_due_runs()
    (training,) = scheduler.list_runs(RETRAINING)
    assert training.run_type == "asset_triggered"
    caplog.set_level("INFO")
    scheduler.run_task(training, "resolve_partition")
    why = f"inputs.drift was beyond its limit on several nights since {BEFORE}"
    assert f"{why}: asks for a training as of {NIGHT}, but" in caplog.text  # the last one is two nights old


def test_an_alarm_that_goes_on_asks_once(
    scheduler: Scheduler, published: DagRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    drift_every_night(monkeypatch)
    assert scheduler.watch_night(run_until_published(scheduler, BEFORE)) == ("success", "skipped")
    assert scheduler.watch_night(published) == ("success", "success")
    assert scheduler.watch_night(run_until_published(scheduler, "2024-05-13")) == ("success", "skipped")


def drift_every_night(monkeypatch: pytest.MonkeyPatch) -> None:
    far = Signal(name="inputs.drift", value=9.0, upper=4.0, breached=True, nights=30)
    monkeypatch.setattr(watching, "observe_inputs", lambda *night: replace(observe_inputs(*night), signals=(far,)))
