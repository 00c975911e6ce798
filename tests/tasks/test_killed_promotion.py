"""A promotion happens whole or not at all, wherever its process is killed; and of two, one wins."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline import tasks
from pipeline.job import Job
from pipeline.tasks import Workspace
from tests.tasks.nights import TRAINED_ON

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("read ledger", "write aside", "link", "linked", "mirror", "set alias", "mirrored")
AROUND_THE_EVENT = ("link", "linked", "set alias")

PROMOTER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from pydantic import SecretStr
from pipeline import tasks
from pipeline.errors import NightjarError
from pipeline.stores import event_log, experiment_mirror, experiments
from pipeline.stores.lake import disk
from tests.clock import Clock
from tests.conftest import make_settings
from tests.meter_readings.job import JOB

home, mlflow, step, proved = sys.argv[1:]

def reach(name):
    if name == step:
        print("reached", flush=True)
        sys.stdin.readline()

def stop_at(owner, name, before="", after=""):
    work = getattr(owner, name)
    def wrapped(*arguments, **options):
        reach(before)
        result = work(*arguments, **options)
        reach(after)
        return result
    setattr(owner, name, wrapped)

stop_at(event_log.EventLog, "append", "read ledger")
stop_at(disk, "_write_aside", "write aside")
stop_at(disk.os, "link", "link", "linked")
stop_at(experiments.Experiments, "mirror", "mirror", "mirrored")
stop_at(experiment_mirror.ExperimentMirror, "_set_alias", "set alias")
settings = make_settings(Path(home), "redis://127.0.0.1:1/0").model_copy(update={"mlflow_uri": SecretStr(mlflow)})
workspace = tasks.open_workspace(settings, Clock(datetime(2024, 3, 10, 12, tzinfo=UTC)))
try:
    done = tasks.promote(workspace, JOB, "2024-03-02", "killed", json.loads(proved))
except NightjarError as error:
    done = error.to_json()
print(json.dumps(done))
"""


class Promoter(subprocess.Popen[str]):
    """A promotion in a process of its own, which stands still at a step until it is killed or let go on."""

    def __init__(self, workspace: Workspace, step: str, proved: dict[str, Any]) -> None:
        settings = workspace.settings
        arguments = [str(settings.home), settings.mlflow_uri.get_secret_value(), step, json.dumps(proved)]
        command = [sys.executable, "-c", PROMOTER, *arguments]
        super().__init__(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_until_reached(self) -> None:
        assert self.stdout
        assert self.stdout.readline() == "reached\n"

    def finish(self) -> dict[str, Any]:
        out, _ = self.communicate("\n", timeout=120)
        done: dict[str, Any] = json.loads(out.splitlines()[-1])
        return done


@pytest.fixture
def mirrored(validated: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with an MLflow."""
    uri = SecretStr(f"sqlite:///{tmp_path / 'mlflow.db'}")
    return Workspace(validated.settings.model_copy(update={"mlflow_uri": uri}), validated.clock)


def make_challenger(workspace: Workspace, job: Job, model: str = "build_model") -> dict[str, Any]:
    """Register a challenger without a champion to be compared with; what its evaluation says."""
    other = job.model_copy(update={"model": f"tests.meter_readings.model:{model}"})
    snapped = tasks.snapshot(workspace, other, TRAINED_ON, "training")
    trained = tasks.train(workspace, other, TRAINED_ON, "training", snapped)
    return tasks.evaluate(workspace, other, TRAINED_ON, "training", trained)


def read_aliases(workspace: Workspace, job: Job) -> dict[str, str]:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - seconds

    uri = workspace.settings.mlflow_uri.get_secret_value()
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    numbers = client.get_registered_model(job.name).aliases
    return {
        alias: client.get_model_version(job.name, number).tags["model_version"] for alias, number in numbers.items()
    }


@pytest.fixture
def promoters() -> Iterator[list[Promoter]]:
    """Ended after the test, whatever came of them."""
    started: list[Promoter] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "steps", [AROUND_THE_EVENT, pytest.param(STEPS, marks=pytest.mark.slow)], ids=["around the event", "every step"]
)
def test_killed_at_any_step_it_happened_whole_or_not_at_all_and_can_be_repeated(
    mirrored: Workspace, job: Job, promoters: list[Promoter], steps: tuple[str, ...]
) -> None:
    """Where the event stands, the model is champion for whoever reads the ledger; before that, nothing has changed.

    The slow run adds the steps that are farther from the event.
    """
    proved = make_challenger(mirrored, job)
    happened = []
    for step in steps:
        for event in [number for number in mirrored.lake.list(f"jobs/{job.name}/models") if number > "000001.json"]:
            mirrored.lake.remove(f"jobs/{job.name}/models/{event}")
        promoters.append(Promoter(mirrored, step, proved))
        promoters[-1].wait_until_reached()
        promoters[-1].kill()
        assert promoters[-1].wait() == -9
        kinds = [event.kind for event in mirrored.ledger(job).events()]
        assert kinds in (["registered"], ["registered", "promoted"])
        happened.append("promoted" in kinds)
        assert (mirrored.ledger(job).champion("2024-03-03") is not None) == happened[-1]
        again = tasks.promote(mirrored, job, TRAINED_ON, "again", proved)
        assert (again["champion"], again["mlflow_warning"]) == ("1", None)
        events = mirrored.ledger(job).events()
        assert [event.kind for event in events] == ["registered", "promoted"]
        assert events[-1].who == ("killed" if happened[-1] else "again")
        assert read_aliases(mirrored, job) == {"champion": "1"}
    assert happened == [STEPS.index(step) >= STEPS.index("linked") for step in steps]


def test_of_two_at_once_one_wins_and_the_other_is_told(
    validated: Workspace, job: Job, promoters: list[Promoter]
) -> None:
    """Both have found the same free number when the first of them takes it."""
    challengers = [make_challenger(validated, job), make_challenger(validated, job, "build_guess")]
    promoters += [Promoter(validated, "link", proved) for proved in challengers]
    for promoter in promoters:
        promoter.wait_until_reached()
    first, second = (promoter.finish() for promoter in promoters)
    assert first["champion"] == "1"
    assert second["error"] == "RefusedError"
    assert "model 2 was not compared with the champion of today" in second["problem"]
    assert (second["expected"], second["found"]) == ("no champion", "model 1 as champion")
    events = validated.ledger(job).events()
    assert [event.model_version for event in events if event.kind == "promoted"] == ["1"]
