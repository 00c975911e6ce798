"""The stage between the gate and a promotion."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from pipeline import tasks
from pipeline.errors import DamagedError
from pipeline.job import Job
from pipeline.tasks import Workspace
from tests.tasks.nights import TRAINED_ON


def evaluate(workspace: Workspace, job: Job) -> dict[str, object]:
    snapped = tasks.snapshot(workspace, job, TRAINED_ON, "training")
    trained = tasks.train(workspace, job, TRAINED_ON, "training", snapped)
    return tasks.evaluate(workspace, job, TRAINED_ON, "training", trained)


def test_a_signed_challenger_is_proved_and_then_promoted(validated: Workspace, job: Job) -> None:
    keys = (SecretStr("signing-" * 4),)
    workspace = Workspace(validated.settings.model_copy(update={"signing_keys": keys}), validated.clock)
    proved = tasks.prove(workspace, job, TRAINED_ON, "training", evaluate(workspace, job))
    assert proved["proof"]["rows"] > 0
    assert tasks.promote(workspace, job, TRAINED_ON, "training", proved)["promoted"]


def test_what_does_not_load_is_not_promoted(validated: Workspace, job: Job) -> None:
    evaluated = evaluate(validated, job)
    validated.lake.replace(validated.ledger(job).version("1").registration.artifact_path, b"altered")
    with pytest.raises(DamagedError) as refused:
        tasks.prove(validated, job, TRAINED_ON, "training", evaluated)
    assert refused.value.partition == TRAINED_ON
    assert validated.ledger(job).champion("2024-03-03") is None


def test_what_the_gate_refused_is_not_asked(trained: Workspace, job: Job, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    evaluated = evaluate(trained, job)
    assert not evaluated["promote"]
    proved = tasks.prove(trained, job, TRAINED_ON, "training", evaluated)
    assert proved["proof"] is None
    assert "is not proved, since the gate refused it" in caplog.text
