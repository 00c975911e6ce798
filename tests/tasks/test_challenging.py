"""Challengers of the second job before the promotion gate: what they are compared on, and what they fail by."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import SecretStr

from pipeline.digests import digest_code, digest_declared_code
from pipeline.errors import RefusedError
from pipeline.job import Job, PromotionGate, Training
from pipeline.stores.ledger_events import NEWEST
from pipeline.stores.model_checks import ModelChecks
from pipeline.tasks import Workspace
from pipeline.tasks.challenging import challenge
from pipeline.tasks.retraining import EVALUATE_STAGE
from pipeline.tasks.snapshots import SNAPSHOT_STAGE
from tests.tasks.conftest import Reopen
from tests.tasks.kept import Kept
from tests.tasks.nights import NIGHTS, TRAINED_ON, land_again, train_model

Change = Callable[[pa.Table], pa.Table]

LATER = NIGHTS[1]
TARIFFS = {"day", "night", "unheard"}


def declare(job: Job, segments: tuple[str, ...] = (), **training: Any) -> Job:
    changed = Training.model_validate({**job.training.model_dump(), **training})
    return job.model_copy(update={"training": changed, "segments": segments})


def read_evidence(workspace: Workspace, job: Job, evaluated: dict[str, Any]) -> dict[str, Any]:
    return workspace.outputs(job).load(EVALUATE_STAGE, evaluated["output"]).facts


def shuffle(table: pa.Table) -> pa.Table:
    """Every meter is told what another one counted."""
    order = np.random.default_rng(0).permutation(len(table))
    return table.set_column(table.schema.get_field_index("kwh"), "kwh", table["kwh"].take(pa.array(order)))


def mirror(table: pa.Table) -> pa.Table:
    """Who used much is said to have used little, and the other way round."""
    ends = pc.add(pc.min(table["kwh"]), pc.max(table["kwh"]))
    return table.set_column(table.schema.get_field_index("kwh"), "kwh", pc.subtract(ends, table["kwh"]))


@pytest.fixture
def trained(kept_later: Kept, reopen: Reopen) -> Workspace:
    """A champion, and what the next training finds validated."""
    return reopen(kept_later)


def test_both_models_are_compared_on_the_rows_of_the_holdout(trained: Workspace, job: Job) -> None:
    done = train_model(trained, declare(job, window=4, segments=("tariff",), gate=PromotionGate(min_segment=50)), LATER)
    metrics = done["evaluate"]["metrics"]
    assert metrics["challenger"]["rows"] == metrics["champion"]["rows"]
    evidence = read_evidence(trained, job, done["evaluate"])
    interval = evidence["interval"]
    assert interval["rows"] == metrics["champion"]["rows"]
    assert interval["low"] < interval["difference"] < interval["high"]
    assert interval["difference"] == pytest.approx(metrics["challenger"]["rmse"] - metrics["champion"]["rmse"])


def test_segments_are_judged_and_named_in_the_lake_alone(trained: Workspace, job: Job) -> None:
    done = train_model(trained, declare(job, window=4, segments=("tariff",), gate=PromotionGate(min_segment=50)), LATER)
    evidence = read_evidence(trained, job, done["evaluate"])
    assert {segment["value"] for segment in evidence["segments"]} == TARIFFS
    assert sum(segment["interval"]["rows"] for segment in evidence["segments"]) < evidence["interval"]["rows"]
    told = json.dumps([done["evaluate"], done["promote"]])
    assert not any(f'"{tariff}"' in told or f" {tariff}" in told for tariff in TARIFFS - {"day", "night"})


def test_a_challenger_that_is_better_overall_and_worse_in_a_segment_is_refused(validated: Workspace, job: Job) -> None:
    train_model(validated, job.model_copy(update={"model": "tests.meter_readings.model:build_guess"}), run="guess")
    uneven = job.model_copy(update={"model": "tests.meter_readings.model:build_uneven"})
    done = train_model(validated, declare(uneven, segments=("region",), gate=PromotionGate(min_segment=50)), NIGHTS[3])
    failed = [check for check in done["evaluate"]["checks"] if not check["passed"]]
    assert [check["name"] for check in failed] == ["segments"]
    assert "significantly worse in 1 of 3 segments, most of all in one of region" in done["promote"]["why"]
    assert validated.ledger(job).champion(NEWEST) == validated.ledger(job).version("1")


@pytest.mark.parametrize(
    ("corrupt", "days", "promoted"),
    [(None, (), True), (shuffle, range(22, 29), False), (mirror, range(22, 29, 2), False)],
    ids=["sound", "shuffled", "mirrored every other day"],
)
def test_a_challenger_that_learnt_from_corrupted_labels_is_refused_and_told_why(
    trained: Workspace, job: Job, corrupt: Change, days: Iterable[int], promoted: bool
) -> None:
    """Upstream delivers the days again, with outcomes that are wrong; without that, the challenger passes."""
    for day in days:
        land_again(trained, "readings", f"2024-02-{day}", corrupt)
    lenient = declare(job, gate=PromotionGate(margin=0.2))
    done = train_model(trained, lenient, LATER)
    assert done["snapshot"]["train"] == {"first": "2024-02-23", "last": "2024-02-28", "partitions": 6}
    assert done["snapshot"]["left_out"] == {}
    assert done["promote"]["promoted"] is promoted
    failed = [check["name"] for check in done["evaluate"]["checks"] if not check["passed"]]
    assert failed == ([] if promoted else ["overall"])
    metrics = done["evaluate"]["metrics"]
    told = f"rmse of the challenger is {metrics['challenger']['rmse']:.5f}, of the champion"
    assert ("may be worse than the margin of 0.2 allows: " + told in done["promote"]["why"]) is not promoted
    assert trained.ledger(job).require_champion(NIGHTS[2]).version == ("2" if promoted else "1")


def test_what_the_champion_was_trained_on_is_no_evidence(trained: Workspace, job: Job) -> None:
    assert trained.ledger(job).version("1").registration.trained_through == "2024-02-26"
    done = train_model(trained, declare(job, holdout=9, window=4, minimum=2, gap=0), LATER)
    compared = read_evidence(trained, job, done["evaluate"])["interval"]["rows"]
    held = done["train"]["metrics"]["rows"]
    assert done["snapshot"]["holdout"]["first"] == "2024-02-24"
    assert compared < held
    assert compared == done["evaluate"]["metrics"]["champion"]["rows"]


def test_a_champion_that_knows_all_of_the_holdout_cannot_be_compared_with(trained: Workspace, job: Job) -> None:
    done = train_model(trained, declare(job, window=4), LATER)
    champion = trained.ledger(job).version("1")
    registration = champion.registration.model_copy(update={"trained_through": LATER})
    dataset = trained.outputs(job).load(SNAPSHOT_STAGE, done["snapshot"]["output"])
    challenger = trained.ledger(job).version(done["train"]["model_version"])
    with pytest.raises(RefusedError, match="cannot be compared") as refused:
        challenge(trained, job, dataset, challenger, champion.model_copy(update={"registration": registration}))
    assert LATER in str(refused.value.found)


def test_a_champion_for_other_features_than_today_s_is_not_compared_with(
    trained: Workspace, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "raised_features.py").write_text(
        "from dataclasses import replace\n"
        "from tests.meter_readings.feature_set import FEATURES as OLD\n"
        "FEATURES = replace(OLD, version=OLD.version + 1)\n"
    )
    done = train_model(trained, job.model_copy(update={"feature_set": "raised_features:FEATURES"}), LATER)
    assert "champion 1 can no longer score: model 1 was trained on other definitions" in done["promote"]["why"]
    assert (done["promote"]["promoted"], done["evaluate"]["interval"]) == (True, None)


@pytest.fixture
def wild(validated: Workspace, job: Job) -> Workspace:
    """Champion is a model whose scores the job no longer takes."""
    lenient = {"model": "tests.meter_readings.model:build_wild", "score_range": (0.0, 1e9)}
    train_model(validated, job.model_copy(update=lenient), run="wild")
    return validated


@pytest.mark.parametrize("nights", [0, 2])
def test_a_champion_whose_scores_may_not_be_published_is_replaced_at_once(
    wild: Workspace, job: Job, nights: int
) -> None:
    """Shadow nights would find nothing to compare with."""
    done = train_model(wild, declare(job, shadow_nights=nights), LATER)
    assert "champion 1 can no longer score: model 1 gave scores that may not be" in done["promote"]["why"]
    assert (done["promote"]["promoted"], done["promote"]["shadowed"]) == (True, False)


@pytest.mark.parametrize("reason", ["is not signed", "was made with another scikit-learn", "does not score its golden"])
def test_a_champion_that_may_not_be_loaded_here_fails_the_evaluation_in_its_own_words(
    trained: Workspace, job: Job, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = trained
    if reason == "is not signed":
        settings = trained.settings.model_copy(update={"signing_keys": (SecretStr("signing-" * 4),)})
        workspace = Workspace(settings, trained.clock)
    old = trained.ledger(job).version("1").registration.metadata_digest
    check = {"was made with another scikit-learn": "check_libraries", "does not score its golden": "check_golden"}

    def refuse_old(checks: ModelChecks, *_: object) -> None:
        if checks.version.registration.metadata_digest == old:
            raise RefusedError(f"model {checks.version.version} {reason}")

    if reason in check:
        monkeypatch.setattr(ModelChecks, check[reason], refuse_old)
    with pytest.raises(RefusedError, match=f"model 1 {reason}"):
        train_model(workspace, declare(job, window=4), LATER)
    assert [event.kind for event in workspace.ledger(job).events()] == ["registered", "promoted", "registered"]


def test_the_same_comparison_is_made_once(trained: Workspace, job: Job) -> None:
    smaller = declare(job, window=4)
    first = train_model(trained, smaller, LATER)
    second = train_model(trained, smaller, LATER, "again")
    assert first["evaluate"]["output"] == second["evaluate"]["output"]


def test_another_business_cost_is_another_comparison(
    trained: Workspace, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    costly = declare(job, window=4).model_copy(update={"business_cost": "costs_by_test:cost", "cost_unit": "kWh"})
    outputs = []
    for factor in (1, 2):
        (tmp_path / "costs_by_test.py").write_text(
            f"def cost(labels, scores):\n    return {factor} * abs(labels - scores)\n"
        )
        sys.modules.pop("costs_by_test", None)
        digest_code.cache_clear()
        digest_declared_code.cache_clear()
        outputs.append(train_model(trained, costly, LATER, f"costs {factor}")["evaluate"])
    assert len({evaluated["output"] for evaluated in outputs}) == 2
    costs = [evaluated["metrics"]["challenger"]["business_cost"] for evaluated in outputs]
    assert costs[1] == pytest.approx(2 * costs[0])


def test_no_more_rows_are_trained_on_than_the_job_says(trained: Workspace, job: Job) -> None:
    done = train_model(trained, declare(job, max_rows=300), TRAINED_ON)
    assert done["train"]["rows"] == 300
    assert done["snapshot"]["dataset_version"] != trained.ledger(job).version("1").registration.dataset_version
