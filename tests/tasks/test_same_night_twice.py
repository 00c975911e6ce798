"""Two processes that work on the same night at the same time arrive at the same place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pipeline import tasks
from pipeline.job import Job
from pipeline.tasks import Workspace
from tests.tasks.nights import LIVE, read_live, read_scores

ROOT = Path(__file__).resolve().parents[2]

WORKER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline import tasks
from tests.clock import Clock
from tests.conftest import make_settings
from tests.meter_readings.job import JOB
from tests.tasks.nights import run_until_scored

home, partition, run = sys.argv[1:]
workspace = tasks.open_workspace(
    make_settings(Path(home), "redis://127.0.0.1:1/0"), Clock(datetime(2024, 3, 10, 12, tzinfo=UTC))
)
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(run_until_scored(workspace, JOB, partition, run)))
"""


def test_both_make_the_same_outputs_and_either_can_be_published(trained: Workspace, job: Job) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(trained.settings.home), LIVE, run],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for run in ("one", "other")
    ]
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("\n")
        worker.stdin.flush()
    answers = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], answers
    one, other = (json.loads(out) for out, _ in answers)
    for stage in ("validate", "build_features", "score"):
        assert one[stage]["output"] == other[stage]["output"]
    scores = read_scores(trained, job, one["score"])
    for run, night in (("one", one), ("other", other)):
        assert tasks.publish(trained, job, LIVE, run, night["score"])["result"] == "live"
        assert read_live(trained, job, list(scores)) == scores
