"""Retraining of the second job: dataset versions, promotion, and challengers that stay challengers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.errors import DeclarationError, NotReadyError
from pipeline.job import Job
from pipeline.tasks import Workspace
from tests.tasks.nights import LIVE, NEXT, NIGHTS, TRAINED_ON, land_again, run_until_scored, train_model

LATER = NIGHTS[1]


def shift(table: pa.Table) -> pa.Table:
    """One kilowatt-hour more everywhere."""
    return table.set_column(table.schema.get_field_index("kwh"), "kwh", pc.add(table["kwh"], 1.0))


def test_the_first_model_becomes_champion_from_the_next_partition_on(trained: Workspace, job: Job) -> None:
    ledger = trained.ledger(job)
    assert ledger.champion(TRAINED_ON) is None
    assert [ledger.require_champion(night).version for night in NIGHTS] == ["1"] * 4
    promotion = ledger.events()[-1]
    assert (promotion.kind, promotion.holds_from) == ("promoted", LIVE)
    assert "there is no champion to compare with" in promotion.why


def test_the_model_predicts_better_than_the_mean(trained: Workspace, job: Job) -> None:
    metrics = trained.ledger(job).version("1").registration.metrics
    assert metrics["r2"] > 0.8
    assert metrics["rows"] > 600


def test_the_same_data_is_the_same_dataset_version_and_gives_the_same_model(trained: Workspace, job: Job) -> None:
    before = trained.ledger(job).version("1").registration
    trained.lake.remove(f"stages/{job.name}/snapshot")
    trained.lake.remove(f"stages/{job.name}/train")
    trained.lake.remove(before.artifact_path)
    again = train_model(Workspace(trained.settings, trained.clock), job, run="again")
    assert again["snapshot"]["dataset_version"] == before.dataset_version
    assert again["train"]["model_digest"] == before.model_digest
    assert again["train"]["model_version"] == "1"
    assert not again["promote"]["promoted"]
    assert "champion already" in again["promote"]["why"]
    assert len(trained.ledger(job).events()) == 2
    assert trained.lake.exists(before.artifact_path)


def test_another_delivery_makes_another_dataset_version(trained: Workspace, job: Job) -> None:
    before = trained.ledger(job).version("1").registration
    land_again(trained, "readings", "2024-02-29", shift)
    taken = tasks.snapshot(trained, job, TRAINED_ON, "again")
    assert taken["dataset_version"] != before.dataset_version


def test_labels_that_have_not_closed_are_not_trained_on(trained: Workspace, job: Job) -> None:
    taken = tasks.snapshot(trained, job, TRAINED_ON, "again")
    assert taken["holdout"] == {"first": "2024-02-28", "last": "2024-03-01", "partitions": 3}
    assert taken["train"] == {"first": "2024-02-21", "last": "2024-02-26", "partitions": 6}


def test_what_had_no_labels_on_the_first_night_of_the_holdout_is_trained_on_only_if_the_job_says_so(
    trained: Workspace, job: Job
) -> None:
    hasty = job.model_copy(update={"training": job.training.model_copy(update={"gap": 0})})
    taken = tasks.snapshot(trained, hasty, TRAINED_ON, "again")
    assert taken["train"]["last"] == "2024-02-27"


def test_a_day_whose_labels_were_not_delivered_is_left_out_and_named(landed: Workspace, job: Job) -> None:
    landed.lake.remove("upstream/readings/partition=2024-03-02")
    taken = tasks.snapshot(landed, job, TRAINED_ON, "training")
    assert taken["holdout"]["last"] == "2024-02-29"
    assert "readings was not delivered" in taken["left_out"]["2024-03-01"]


def test_ids_that_come_back_need_labels_that_close_after_one_day(landed: Workspace, job: Job) -> None:
    patient = job.model_copy(update={"label": job.label.model_copy(update={"closes_after": 2})})
    with pytest.raises(DeclarationError, match="come back") as refused:
        train_model(landed, patient)
    assert refused.value.next_step


def test_a_worse_challenger_stays_challenger_and_says_why(trained: Workspace, job: Job) -> None:
    guessing = job.model_copy(update={"model": "tests.meter_readings.model:build_guess"})
    done = train_model(trained, guessing, LATER)
    assert done["train"]["model_version"] == "2"
    assert (done["evaluate"]["promote"], done["evaluate"]["champion"]) == (False, "1")
    assert done["promote"] == done["promote"] | {"promoted": False, "champion": "1"}
    metrics = done["evaluate"]["metrics"]
    assert metrics["challenger"]["rmse"] > metrics["champion"]["rmse"]
    for numbers in metrics.values():
        assert f"{numbers['rmse']:.5f}" in done["promote"]["why"]
    assert "may be worse than the margin of 0 allows" in done["promote"]["why"]
    assert trained.ledger(job).require_champion(NIGHTS[3]).version == "1"


def test_a_better_challenger_scores_later_nights_and_leaves_earlier_ones_to_the_champion(
    trained: Workspace, job: Job
) -> None:
    guessing = job.model_copy(update={"model": "tests.meter_readings.model:build_guess", "name": job.name})
    trained.lake.remove(f"jobs/{job.name}/models")
    train_model(trained, guessing, TRAINED_ON, "guess")
    done = train_model(trained, job, LATER, "line")
    assert done["promote"]["promoted"]
    assert done["promote"]["holds_from"] == NIGHTS[2]
    versions = {
        night: run_until_scored(trained, job, night)["score"]["model_version"] for night in (LIVE, NEXT, NIGHTS[2])
    }
    assert versions == {LIVE: "1", NEXT: "1", NIGHTS[2]: "2"}


def test_too_little_history_is_refused(landed: Workspace, job: Job) -> None:
    with pytest.raises(NotReadyError) as caught:
        tasks.snapshot(landed, job, "2024-02-21", "early")
    error = caught.value
    assert (error.job, error.partition) == (job.name, "2024-02-21")
    assert "4 partitions before the 3 of the holdout and the 1 that are left out between" in str(error.expected)
    assert "2 usable ones" in str(error.found)
    assert error.next_step


def test_a_day_that_was_refused_is_left_out_and_named(trained: Workspace, job: Job) -> None:
    land_again(trained, "meters", "2024-02-25", lambda table: table.slice(0, 0))
    taken = tasks.snapshot(trained, job, TRAINED_ON, "again")
    assert list(taken["left_out"]) == ["2024-02-25"]
    assert "empty" in taken["left_out"]["2024-02-25"]
    assert taken["train"]["partitions"] == 5


def test_a_model_that_predicts_nonsense_is_not_registered(trained: Workspace, job: Job) -> None:
    wild = job.model_copy(update={"model": "tests.meter_readings.model:build_wild"})
    with pytest.raises(Exception, match="scores that may not be published"):
        train_model(trained, wild, TRAINED_ON)
    assert [version.version for version in trained.ledger(job).versions()] == ["1"]


def test_the_ledger_alone_tells_the_champion(trained: Workspace, job: Job, tmp_path: Path) -> None:
    """MLflow was never there."""
    assert not list(tmp_path.rglob("*.db"))
    assert run_until_scored(trained, job, LIVE)["score"]["model_version"] == "1"
