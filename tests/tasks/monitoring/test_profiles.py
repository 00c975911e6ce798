"""A night through the real stages: its features are counted in the pass that scores, and nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.job import Job
from pipeline.stages.monitor.bins import read_bins, read_counts
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace, apply_retention, publish, watch
from pipeline.tasks.manifests import read_manifest
from pipeline.tasks.monitoring import profiles
from pipeline.tasks.monitoring.profiles import PROFILE_STAGE
from tests.clock import Clock
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, run_night, run_until_scored

NOT_COUNTED = "the features were not counted"


def load_profile(workspace: Workspace, job: Job, summary: dict[str, Any]) -> Output:
    return workspace.outputs(job).load(PROFILE_STAGE, summary["profile"])


def damage_reference(workspace: Workspace, job: Job, content: bytes) -> None:
    digest = workspace.ledger(job).require_champion(LIVE).registration.model_digest
    workspace.lake.replace(f"jobs/{job.name}/monitoring/references/{digest}.json", content)


def reopen(workspace: Workspace) -> Workspace:
    """As another process has it, which has read nothing yet."""
    return Workspace(workspace.settings, workspace.clock)


def test_every_row_of_every_shard_is_counted(served: Served) -> None:
    profile = load_profile(served.workspace, served.job, served.first["score"]).facts
    assert profile["rows"] == len(served.predictions)
    counts = read_counts(profile).features
    assert counts.keys() == read_bins(profile).keys()
    assert all(sum(feature) == len(served.predictions) for feature in counts.values())


def test_a_release_names_its_profile(served: Served) -> None:
    manifest = read_manifest(served.workspace, served.job, served.first["publish"]["generation"])
    profile = load_profile(served.workspace, served.job, served.first["score"])
    assert manifest["profile"] == {"address": profile.address, "digest": profile.digest}


def test_a_repeated_night_counts_nothing_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "count_frame", None)
    again = run_until_scored(served.workspace, served.job, LIVE, "second")["score"]
    first = served.first["score"]
    assert (again["output"], again["profile"]) == (first["output"], first["profile"])


def test_scores_without_a_profile_get_the_very_one_that_is_gone(served: Served) -> None:
    workspace, first = served.workspace, served.first["score"]
    before = load_profile(workspace, served.job, first)
    workspace.outputs(served.job).remove(PROFILE_STAGE, first["profile"])
    again = run_until_scored(workspace, served.job, LIVE, "second")["score"]
    assert again["output"] == first["output"]
    assert load_profile(workspace, served.job, again).digest == before.digest


def test_a_forced_night_gets_the_same_profile(served: Served) -> None:
    again = run_until_scored(served.workspace, served.job, LIVE, "second", force=True)["score"]
    assert again["profile"] == served.first["score"]["profile"]


def test_the_profiles_of_two_nights_are_two(served: Served) -> None:
    second = run_night(served.workspace, served.job, NEXT)
    profile = load_profile(served.workspace, served.job, second["score"])
    assert profile.inputs["partition"] == NEXT
    assert len(served.workspace.outputs(served.job).find_all(PROFILE_STAGE)) == 2


def test_retention_keeps_the_profiles_of_what_it_keeps_and_no_other(served: Served, clock: Clock) -> None:
    workspace, job = served.workspace, served.job
    named = [served.first["score"]["profile"], run_night(workspace, job, NEXT)["score"]["profile"]]
    outputs = workspace.outputs(job)
    other = outputs.load(PROFILE_STAGE, named[0])
    outputs.commit(PROFILE_STAGE, other.inputs | {"reference": "of another model"}, {}, other.facts)
    clock.now = datetime.now(UTC) + timedelta(days=10)
    apply_retention(workspace, job)
    assert sorted(workspace.lake.list(f"stages/{job.name}/{PROFILE_STAGE}")) == sorted(named)


def test_a_night_whose_reference_is_damaged_is_released_and_watched_but_for_its_inputs(served: Served) -> None:
    workspace, job = served.workspace, served.job
    damage_reference(workspace, job, b"{")
    done = run_night(workspace, job, NEXT)
    assert (done["publish"]["result"], done["score"]["profile"]) == ("live", None)
    (warning,) = done["score"]["warnings"]
    assert warning.startswith(
        "the counts of the features are not known, so the inputs of the night cannot be watched: "
    )
    assert warning.endswith(".json is not JSON")
    seen = watch(workspace, job, NEXT, "first", done["publish"])
    night = workspace.monitoring(job).find_observed(NEXT)
    assert night is not None
    assert (seen["watched"], seen["warnings"], night.drift) == (True, [], ())
    assert {"outputs.mean", "operations.seconds", "operations.latency", "accuracy.estimate"} <= seen["muted"].keys()
    assert [seen["muted"][name] for name in ("inputs.drift", "inputs.weekday_drift")] == [NOT_COUNTED] * 2
    assert night.operations.seconds > 0
    assert night.operations.reads is not None
    assert night.outputs.rows == done["publish"]["rows"]


def test_a_release_that_was_not_counted_leaves_no_profile_of_the_one_before(served: Served) -> None:
    workspace, job = served.workspace, served.job
    watch(workspace, job, LIVE, "first", served.first["publish"])
    assert LIVE in workspace.monitoring(job).profiles([LIVE])
    damage_reference(workspace, job, b"{")
    done = run_night(workspace, job, LIVE, "again", force=True)
    assert watch(workspace, job, LIVE, "again", done["publish"])["watched"]
    assert workspace.monitoring(job).profiles([LIVE]) == {}


def test_what_was_scored_before_there_was_monitoring_is_watched_but_for_its_inputs(served: Served) -> None:
    """A run whose publication is cleared after an upgrade: its records do not count attempts either."""
    workspace, job = served.workspace, served.job
    for stage in ("ingest", "validate", "build_features", "score"):
        path = f"jobs/{job.name}/runs/{LIVE}/first/{stage}.json"
        record = workspace.lake.read_json(path)
        workspace.lake.replace_json(path, {name: value for name, value in record.items() if name != "attempt"})
    scored = {name: value for name, value in served.first["score"].items() if name not in ("profile", "reasons")}
    seen = watch(workspace, job, LIVE, "first", publish(workspace, job, LIVE, "first", scored))
    night = workspace.monitoring(job).find_observed(LIVE)
    assert night is not None
    assert (seen["watched"], seen["muted"]["inputs.drift"], night.drift) == (True, NOT_COUNTED, ())
    assert [cost.attempts for cost in night.operations.stages] == [1, 1, 1, 1, 2]


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"made_from": "training", "rows": 1, "features": {"load": {}}}'])
def test_a_night_whose_reference_is_another_document_is_released(served: Served, content: bytes) -> None:
    damage_reference(served.workspace, served.job, content)
    done = run_night(served.workspace, served.job, NEXT)
    assert (done["publish"]["result"], len(done["score"]["warnings"])) == ("live", 1)


def test_features_that_cannot_be_counted_are_scored_and_not_told(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("meter 70000000000001 has a value of 12.5")

    monkeypatch.setattr(profiles, "count_frame", fail)
    done = run_night(served.workspace, served.job, NEXT)
    assert done["publish"]["result"] == "live"
    (warning,) = done["score"]["warnings"]
    assert "ValueError" in warning
    assert "70000000000001" not in warning


def test_a_damaged_profile_of_an_earlier_run_does_not_stop_the_night(served: Served) -> None:
    workspace, job = served.workspace, served.job
    address = served.first["score"]["profile"]
    workspace.lake.replace(f"stages/{job.name}/{PROFILE_STAGE}/{address}/manifest.json", b"{")
    again = run_night(reopen(workspace), job, LIVE, "second")
    assert (again["publish"]["result"], again["score"]["profile"]) == ("live", None)


def test_a_profile_that_the_lake_lost_meanwhile_does_not_stop_the_publication(served: Served) -> None:
    workspace, job = served.workspace, served.job
    done = run_until_scored(workspace, job, NEXT)
    workspace.outputs(job).remove(PROFILE_STAGE, done["score"]["profile"])
    published = publish(workspace, job, NEXT, "first", done["score"])
    assert published["result"] == "live"
    assert any(
        "so the inputs of the night cannot be watched: FileNotFoundError" in told for told in published["warnings"]
    )
    assert read_manifest(workspace, job, published["generation"])["profile"] is None
