"""A publish that is killed leaves the old predictions served, and publishing again in order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import tasks
from pipeline.keyspace import State
from tests.tasks.conftest import Served
from tests.tasks.nights import NEXT, live_header, read_live, read_scores, run_until_scored

ROOT = Path(__file__).resolve().parents[2]

PUBLISHER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline import tasks
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.load import Load
from tests.clock import Clock
from tests.conftest import make_settings
from tests.meter_readings.job import JOB

home, redis_url, step, partition, scored = sys.argv[1:]

def stop(*_, **__):
    print("reached", flush=True)
    sys.stdin.readline()

kind = PredictionStore if step == "flip" else Load
setattr(kind, step, stop)
workspace = tasks.open_workspace(make_settings(Path(home), redis_url), Clock(datetime(2024, 3, 10, 12, tzinfo=UTC)))
tasks.publish(workspace, JOB, partition, "killed", json.loads(scored))
"""

KillAt = Callable[[str], None]


@pytest.fixture
def kill_at(served: Served) -> Iterator[KillAt]:
    """Publish the next night in another process, and kill that right before a step."""
    scored = run_until_scored(served.workspace, served.job, NEXT)["score"]
    settings = served.workspace.settings
    processes: list[subprocess.Popen[str]] = []

    def kill(step: str) -> None:
        arguments = [str(settings.home), settings.redis_url.get_secret_value(), step, NEXT, json.dumps(scored)]
        command = [sys.executable, "-c", PUBLISHER, *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout
        assert process.stdout.readline() == "reached\n"
        process.kill()
        assert process.wait() == -9

    yield kill
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("step", "state"), [("read_back", State.LOADING), ("flip", State.VERIFIED)])
def test_a_killed_publish_leaves_the_old_predictions_and_can_be_done_again(
    served: Served, kill_at: KillAt, step: str, state: State
) -> None:
    workspace, job = served.workspace, served.job
    kill_at(step)
    killed = workspace.predictions.generations(job.name)[0]
    assert (killed.partition, killed.state) == (NEXT, state)
    served.check_still_served()

    scored = run_until_scored(workspace, job, NEXT)["score"]
    again = tasks.publish(workspace, job, NEXT, "again", scored)
    assert again["result"] == "live"
    assert again["generation"] != killed.name
    scores = read_scores(workspace, job, scored)
    assert read_live(workspace, job, list(scores)) == scores
    assert live_header(workspace, job).partition == NEXT
