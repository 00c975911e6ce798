"""A publish task that Airflow believed dead goes on after its successor: it is refused, and changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import tasks
from tests.clock import Clock
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, live_header, read_live, run_until_scored

ROOT = Path(__file__).resolve().parents[2]

PUBLISH = """
import json, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline import tasks
from pipeline.errors import NightjarError
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.load import Load
from tests.clock import Clock
from tests.conftest import make_settings
from tests.meter_readings.job import JOB

home, url, partition, owner, step, scored = sys.argv[1:]
owner = {"Load": Load, "PredictionStore": PredictionStore}[owner]
go_on = getattr(owner, step)

def stop_first(*arguments, **options):
    setattr(owner, step, go_on)
    os.kill(os.getpid(), signal.SIGSTOP)
    return go_on(*arguments, **options)

setattr(owner, step, stop_first)
workspace = tasks.open_workspace(make_settings(Path(home), url), Clock(datetime(2024, 3, 10, 12, tzinfo=UTC)))
try:
    print(json.dumps(tasks.publish(workspace, JOB, partition, "night", json.loads(scored))))
except NightjarError as error:
    print(json.dumps(error.to_json()))
    sys.exit(1)
"""


@pytest.mark.parametrize(
    ("owner", "step"), [pytest.param("Load", "read_back", marks=pytest.mark.slow), ("PredictionStore", "flip")]
)
def test_whoever_wakes_up_after_its_successor_is_refused(served: Served, clock: Clock, owner: str, step: str) -> None:
    workspace, job = served.workspace, served.job
    scored = run_until_scored(workspace, job, NEXT, "night")["score"]
    settings = workspace.settings
    arguments = (str(settings.home), settings.redis_url.get_secret_value(), NEXT, owner, step, json.dumps(scored))
    process = subprocess.Popen(
        [sys.executable, "-c", PUBLISH, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), process.communicate()
    # Airflow has missed its heartbeats, and tries the same task of the same run again.
    clock.advance(minutes=5)
    successor = tasks.publish(workspace, job, NEXT, "night", scored)
    assert successor["result"] == "live"
    seen = read_live(workspace, job, list(served.predictions))
    process.send_signal(signal.SIGCONT)
    out, error = process.communicate()
    assert process.returncode == 1, error
    refused = json.loads(out)
    assert (refused["error"], refused["partition"]) == ("RefusedError", NEXT)
    assert refused["next_step"]
    assert live_header(workspace, job).generation == successor["generation"]
    assert read_live(workspace, job, list(served.predictions)) == seen
    live = [event for event in workspace.release_log(job).events() if event.kind == "released"]
    assert [event.partition for event in live] == [LIVE, NEXT]
    assert tasks.read_run(workspace, job, NEXT, "night")["stages"][-1] == successor
