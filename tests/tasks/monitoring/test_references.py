"""The reference of a model is what it was trained on, and people are told where it is not."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from pipeline.errors import NotReadyError, UnavailableError
from pipeline.job import Job
from pipeline.stages.sample import choose_rows
from pipeline.stores.ledger_events import ModelVersion
from pipeline.tasks import Workspace, watch
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.fitting import fit_challenger
from pipeline.tasks.monitoring import references
from pipeline.tasks.monitoring.references import TRAINING, ensure_reference
from pipeline.tasks.runs import read_run
from pipeline.tasks.snapshots import SNAPSHOT_STAGE, load_dataset, sample_training
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, run_night, run_until_scored


def champion_of(workspace: Workspace, job: Job) -> ModelVersion:
    return workspace.ledger(job).require_champion(LIVE)


def lose_reference(workspace: Workspace, job: Job) -> None:
    digest = champion_of(workspace, job).registration.model_digest
    workspace.lake.remove(f"jobs/{job.name}/monitoring/references/{digest}.json")


def lose_training_rows(workspace: Workspace, job: Job) -> None:
    for dataset in workspace.outputs(job).find_all(SNAPSHOT_STAGE):
        workspace.outputs(job).remove(SNAPSHOT_STAGE, dataset.address)


def test_training_leaves_the_reference_of_its_model(trained: Workspace, job: Job) -> None:
    version = champion_of(trained, job)
    found = trained.monitoring(job).find_reference(version.registration.model_digest)
    assert found is not None
    assert found["made_from"] == TRAINING
    assert found["rows"] == version.registration.parameters["rows"]
    assert found["features"].keys() == {column.name for column in load_feature_set(job).columns}


def test_a_model_of_before_gets_the_very_reference_that_training_would_have_made(trained: Workspace, job: Job) -> None:
    version = champion_of(trained, job)
    before = ensure_reference(trained, job, version)
    lose_reference(trained, job)
    assert ensure_reference(trained, job, version) == before
    assert trained.monitoring(job).find_reference(version.registration.model_digest) == before


def test_a_training_does_not_fail_by_its_reference_which_is_made_later(
    trained: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_off(_: object) -> None:
        raise ValueError("meter 70000000000001 is out of bounds")

    (snapshot,) = trained.outputs(job).find_all(SNAPSHOT_STAGE)
    other = job.model_copy(update={"training": job.training.model_copy(update={"seed": job.training.seed + 1})})
    with monkeypatch.context() as broken:
        broken.setattr(references, "learn_bins", break_off)
        fitted = fit_challenger(trained, other, snapshot)
    assert ("is to be made later" in caplog.text, "70000000000001" in caplog.text) == (True, False)
    version = champion_of(trained, job)
    described = version.registration.model_copy(update={"model_digest": fitted.facts["model"]["digest"]})
    later = ensure_reference(trained, job, version.model_copy(update={"registration": described}))
    assert (later["made_from"], later["rows"]) == (TRAINING, fitted.facts["rows"])


def test_a_reference_whose_rows_are_gone_cannot_be_made(trained: Workspace, job: Job) -> None:
    lose_reference(trained, job)
    lose_training_rows(trained, job)
    with pytest.raises(NotReadyError, match="not known any more what model 1 was trained on") as refused:
        ensure_reference(trained, job, champion_of(trained, job))
    assert refused.value.next_step == f"nightjar train {job.name}"


def watch_night(workspace: Workspace, job: Job, partition: str, run: str = "first", **options: Any) -> dict[str, Any]:
    return watch(workspace, job, partition, run, run_night(workspace, job, partition, run, **options)["publish"])


def test_then_the_newest_night_that_was_released_stands_in(trained: Workspace, job: Job) -> None:
    """No other: neither what nobody is served, nor a backfill of a day before it."""
    reference_of = partial(trained.monitoring(job).find_reference, champion_of(trained, job).registration.model_digest)
    lose_reference(trained, job)
    lose_training_rows(trained, job)
    scored = run_until_scored(trained, job, NEXT)["score"]
    told = "its inputs are compared with those of the first night that is watched from now on"
    assert [told in warning for warning in scored["warnings"]] == [True, False]  # nor is there a background
    assert not watch_night(trained, job, NEXT, "dry", dry_run=True)["watched"]
    assert reference_of() is None
    released = run_night(trained, job, NEXT)["publish"]
    older = watch_night(trained, job, LIVE)
    why = "what the model was trained on is not known any more"
    assert (older["watched"], older["muted"]["inputs.drift"]) == (True, why)
    assert not watch_night(trained, job, LIVE, "audit", basis="as_known_then")["watched"]
    assert reference_of() is None
    assert watch(trained, job, NEXT, "first", released)["watched"]
    reference = reference_of()
    assert reference is not None
    assert (reference["made_from"], reference["rows"]) == (NEXT, scored["rows"])
    again = watch_night(trained, job, LIVE, "again")
    assert (again["watched"], reference_of() == reference) == (True, True)


def test_nothing_stands_in_for_rows_that_cannot_be_had_at_the_moment(
    trained: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The night is not watched, as its run says, until somebody tries again."""

    def give_no_answer(*_: object) -> None:
        raise UnavailableError("the lake did not answer")

    def watch_again() -> dict[str, Any]:
        return watch(trained, job, NEXT, "first", released)

    released = run_night(trained, job, NEXT)["publish"]
    reference_of = partial(trained.monitoring(job).find_reference, champion_of(trained, job).registration.model_digest)
    lose_reference(trained, job)
    with monkeypatch.context() as broken:
        broken.setattr(references, "sample_training", give_no_answer)
        with pytest.raises(UnavailableError, match="did not answer"):
            watch_again()
    assert reference_of() is None
    watching = read_run(trained, job, NEXT, "first")["stages"][-1]
    assert (watching["stage"], watching["error"]["problem"]) == ("watch", "the lake did not answer")
    assert watch_again()["watched"]
    reference = reference_of()
    assert reference is not None
    assert reference["made_from"] == TRAINING


def test_a_night_with_its_reference_warns_of_nothing(served: Served) -> None:
    assert served.first["score"]["warnings"] == []


@pytest.mark.parametrize("most", [1, 500, 10**9])
def test_a_sample_taken_partition_by_partition_is_that_of_all_rows(trained: Workspace, job: Job, most: int) -> None:
    (snapshot,) = trained.outputs(job).find_all(SNAPSHOT_STAGE)
    rows = load_dataset(trained, job, snapshot, "train")
    chosen = choose_rows(rows.features[job.entity_id], rows.partitions, most)
    sample = sample_training(trained, job, snapshot, most)
    assert_frame_equal(sample, rows.features.iloc[chosen].reset_index(drop=True))
