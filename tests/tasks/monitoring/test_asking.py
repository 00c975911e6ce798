"""What a run's alarms call for is told from their log, if nothing else of the run is left."""

from __future__ import annotations

import pytest

from pipeline.job import Job
from pipeline.tasks import Workspace, find_ask
from tests.monitoring_records import log_alarm

NIGHT = "2024-03-04"


def raise_alarm(workspace: Workspace, job: Job, signal: str, partition: str = NIGHT) -> None:
    log_alarm(workspace.monitoring(job), partition, signal=signal, run="tonight")


@pytest.mark.parametrize(("signal", "known"), [("inputs.drift", NIGHT), ("accuracy.primary", "2024-03-05")])
def test_what_a_run_has_raised_calls_for_a_training_that_knows_its_night(
    workspace: Workspace, job: Job, signal: str, known: str
) -> None:
    """Its labels too, where it is told from them."""
    raise_alarm(workspace, job, signal, "2024-03-01")
    raise_alarm(workspace, job, signal)
    asked = find_ask(workspace, job, "tonight")
    assert asked["partition"] == known
    assert f"{signal} was beyond its limit on several nights since {NIGHT}" in asked["ask"]


def test_others_call_for_none(workspace: Workspace, job: Job) -> None:
    assert find_ask(workspace, job, "tonight") == {"partition": None, "ask": None}
    raise_alarm(workspace, job, "inputs.drift")
    assert find_ask(workspace, job, "another") == {"partition": None, "ask": None}
    raise_alarm(workspace, job, "outputs.mean", "2024-03-05")
    assert find_ask(workspace, job, "tonight")["partition"] == "2024-03-05"
