"""What becomes of a challenger that passed: promotion, an approval that is waited for, a rest after a training."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import tasks
from pipeline.errors import RefusedError
from pipeline.job import Approval, Job
from pipeline.tasks import Workspace
from tests.meter_readings.job import JOB
from tests.tasks.conftest import NOON, Prepare, Reopen
from tests.tasks.kept import Kept
from tests.tasks.nights import LIVE, TRAINED_ON


def change_training(job: Job, **changes: Any) -> Job:
    return job.model_copy(update={"training": job.training.model_copy(update=changes)})


@pytest.fixture(scope="module")
def asking() -> Job:
    """The second job, whose challengers a person has to approve."""
    return change_training(JOB, approval=Approval())


@pytest.fixture(scope="module")
def kept_proved(validated_home: Path, prepare: Prepare, asking: Job) -> Kept:
    """A challenger that passed the gate."""

    def train(workspace: Workspace) -> dict[str, Any]:
        snapped = tasks.snapshot(workspace, asking, TRAINED_ON, "training")
        trained = tasks.train(workspace, asking, TRAINED_ON, "training", snapped)
        return tasks.evaluate(workspace, asking, TRAINED_ON, "training", trained)

    return prepare(Kept(validated_home, NOON), train)


@pytest.fixture
def proved(kept_proved: Kept) -> dict[str, Any]:
    """What its training says of it."""
    return dict(kept_proved.made)


@pytest.fixture
def workspace(kept_proved: Kept, reopen: Reopen) -> Workspace:
    """Where it waits for its promotion."""
    return reopen(kept_proved)


def test_without_the_approval_that_the_job_asks_for_nothing_is_promoted(
    workspace: Workspace, asking: Job, proved: dict[str, Any]
) -> None:
    done = tasks.promote(workspace, asking, TRAINED_ON, "training", proved)
    assert (done["promoted"], done["champion"]) == (False, None)
    assert f"nightjar promote {asking.name} 1" in done["why"]
    assert [event.kind for event in workspace.ledger(asking).events()] == ["registered"]


def test_an_approval_promotes_in_the_name_of_whoever_gave_it(
    workspace: Workspace, asking: Job, proved: dict[str, Any]
) -> None:
    approved = {"who": "Jane Doe", "why": "looks right"}
    done = tasks.promote(workspace, asking, TRAINED_ON, "training", proved, approved=approved)
    event = workspace.ledger(asking).events()[-1]
    assert (done["champion"], event.who, event.holds_from) == ("1", "Jane Doe", LIVE)
    assert event.why == f"looks right; {proved['why']}"


def test_what_was_turned_down_is_not_promoted_by_a_late_retry(
    workspace: Workspace, asking: Job, proved: dict[str, Any]
) -> None:
    tasks.reject_challenger(workspace, asking, "1", who="Jane Doe", why="no")
    with pytest.raises(RefusedError, match="was rejected"):
        tasks.promote(workspace, asking, TRAINED_ON, "late", proved, approved={"who": "t", "why": "late"})


def test_a_first_challenger_that_the_gate_refused_leaves_no_champion_and_is_no_error(
    workspace: Workspace, asking: Job, proved: dict[str, Any]
) -> None:
    refused = proved | {"promote": False, "why": "leakage"}
    done = tasks.promote(workspace, asking, TRAINED_ON, "training", refused)
    assert (done["promoted"], done["champion"], done["why"]) == (False, None, "leakage")
    assert [(event.kind, event.why) for event in workspace.ledger(asking).events()][1:] == [("refused", "leakage")]


@pytest.mark.parametrize(("partition", "rests"), [("2024-03-01", True), ("2024-03-04", True), ("2024-03-05", False)])
def test_the_cool_down_is_counted_in_partitions(trained: Workspace, job: Job, partition: str, rests: bool) -> None:
    resting = change_training(job, cool_down=timedelta(days=3))
    reason = tasks.find_cool_down(trained, resting, partition, "drift")
    assert (reason is not None) == rests
    assert reason is None or f"up to {TRAINED_ON}" in reason


def test_before_the_first_training_there_is_nothing_to_rest_from(landed: Workspace, job: Job) -> None:
    assert tasks.find_cool_down(landed, job, TRAINED_ON, "drift") is None


def test_a_run_that_is_cleared_need_not_rest_from_itself(trained: Workspace, job: Job) -> None:
    registered = trained.ledger(job).events()[0]
    assert tasks.find_cool_down(trained, job, TRAINED_ON, "another") is not None
    assert tasks.find_cool_down(trained, job, TRAINED_ON, registered.who) is None
