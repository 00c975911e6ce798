"""Shards on a Dask cluster: the same bytes as on one machine, and a worker that dies costs its shards alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.errors import DeclarationError, UnavailableError
from pipeline.job import Job
from pipeline.settings import Settings
from pipeline.tasks import Workspace, dask_cluster, open_workspace, parallel
from pipeline.tasks.parallel import count_processes, run_shards
from tests.tasks.dask_processes import PATIENCE, DaskProcesses, start_cluster
from tests.tasks.nights import LIVE, read_scores, run_until_scored
from tests.tasks.test_parallel import tell_settings
from tests.tasks.test_shards_in_parallel import list_files


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaskProcesses]:
    monkeypatch.setattr(parallel, "ROWS_WORTH_A_PROCESS", 1)
    with start_cluster(tmp_path_factory.mktemp("dask"), workers=2) as started:
        yield started
        dask_cluster.connect(started.url).close()


def send_to(workspace: Workspace, url: str) -> Workspace:
    """The same workspace, whose shards go to a cluster."""
    return open_workspace(workspace.settings.model_copy(update={"parallel": url}), workspace.clock)


def test_a_night_on_a_cluster_gives_the_same_bytes(
    trained_home: Path, open_copy: Callable[[Path], Workspace], job: Job, cluster: DaskProcesses
) -> None:
    alone, together = open_copy(trained_home), send_to(open_copy(trained_home), cluster.url)
    first = run_until_scored(alone, job, LIVE)
    second = run_until_scored(together, job, LIVE)
    assert count_processes(together.settings) == 2
    assert list_files(together) == list_files(alone)
    assert read_scores(together, job, second["score"]) == read_scores(alone, job, first["score"])


def test_a_worker_killed_in_the_middle_of_a_night_costs_nothing_but_time(
    trained_home: Path, open_copy: Callable[[Path], Workspace], job: Job, cluster: DaskProcesses
) -> None:
    """It dies when the night's features begin to be written; the other one goes on with what it had."""
    alone, together = open_copy(trained_home), send_to(open_copy(trained_home), cluster.url)
    features = Path(together.settings.lake, "stages", job.name, "build_features")
    before = set(features.glob("*/*"))
    killer = cluster.kill_when(cluster.workers[0], lambda: set(features.glob("*/*")) > before)
    second = run_until_scored(together, job, LIVE)
    assert cluster.workers[0].poll() == -signal.SIGKILL, "the night ended before the worker was killed"
    killer.join()
    assert count_processes(together.settings) == 1
    first = run_until_scored(alone, job, LIVE)
    made = list_files(together)
    left_aside = {path for path in made if Path(path).name.startswith(".")}  # by the one that died
    assert {path: made[path] for path in made.keys() - left_aside} == list_files(alone)
    assert len(left_aside) <= 1
    assert read_scores(together, job, second["score"]) == read_scores(alone, job, first["score"])


def note_and_wait(workspace: Workspace, shard: int, *, folder: Path) -> tuple[int, int]:
    """Say who works on the shard, and take a while."""
    (folder / f"{shard}-{os.getpid()}").touch()
    time.sleep(0.5)
    return shard, os.getpid()


def test_a_worker_that_is_killed_costs_its_shards_alone(
    settings: Settings, tmp_path: Path, cluster: DaskProcesses
) -> None:
    workspace = open_workspace(settings.model_copy(update={"parallel": cluster.url}))
    folder = tmp_path / "begun"
    folder.mkdir()
    victim = cluster.workers[0]
    killer = cluster.kill_when(victim, lambda: any(path.name.endswith(f"-{victim.pid}") for path in folder.iterdir()))
    done = run_shards(workspace, partial(note_and_wait, folder=folder), list(range(8)), rows=8)
    killer.join(PATIENCE)
    assert victim.wait() == -signal.SIGKILL
    assert [shard for shard, _ in done] == list(range(8))
    lost = {path.name.partition("-")[0] for path in folder.iterdir() if path.name.endswith(f"-{victim.pid}")}
    finished = {str(shard) for shard, process in done if process == victim.pid}
    assert lost - finished, "the worker was killed while it worked on nothing"
    again = {path.name.partition("-")[0] for path in folder.iterdir() if not path.name.endswith(f"-{victim.pid}")}
    assert lost - finished <= again


def test_a_scheduler_that_does_not_answer_is_unavailable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "PATIENCE", 0.5)
    workspace = open_workspace(settings.model_copy(update={"parallel": "dask://127.0.0.1:1"}))
    with pytest.raises(UnavailableError, match="scheduler of the Dask cluster does not answer") as caught:
        run_shards(workspace, tell_settings, ["a", "b"], rows=10**9)
    assert caught.value.expected == "a scheduler with workers at dask://127.0.0.1:1"
    assert caught.value.next_step


def test_a_cluster_without_workers_is_unavailable(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "PATIENCE", 1.0)
    with start_cluster(tmp_path, workers=0) as cluster, pytest.raises(UnavailableError, match="has no workers"):
        count_processes(settings.model_copy(update={"parallel": cluster.url}))


def test_a_worker_of_other_code_refuses_work(monkeypatch: pytest.MonkeyPatch) -> None:
    work = dask_cluster.work_on_cluster(list)
    assert work([1, 2]) == [1, 2]
    other = {**dask_cluster._describe_code(), "pandas": "0.1"}
    monkeypatch.setattr(dask_cluster, "_describe_code", lambda: other)
    with pytest.raises(DeclarationError, match="not of the code and libraries") as caught:
        work([1, 2])
    assert caught.value.found == "pandas 0.1"
