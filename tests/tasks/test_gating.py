"""The release gate: what is too far from the live generation is not made live."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import DeclarationError, RefusedError
from pipeline.job import Job
from pipeline.keyspace import State
from pipeline.tasks import Workspace, gating, staging
from pipeline.tasks.manifests import read_manifest, write_manifest
from tests.tasks.conftest import Served
from tests.tasks.gates import gate_job, make_lossy, with_gate
from tests.tasks.nights import LIVE, NEXT, live_header, open_reader, run_night


def last_event(served: Served) -> Any:
    return served.workspace.release_log(served.job).events()[-1]


def test_an_ordinary_night_passes_and_the_manifest_says_against_what(served: Served) -> None:
    gated = with_gate(served, on_breach="block")
    published = run_night(gated.workspace, gated.job, NEXT)["publish"]
    assert published["result"] == "live"
    verdict = read_manifest(gated.workspace, gated.job, published["generation"])["gate"]
    assert (verdict["result"], verdict["against"]) == ("passed", served.first["publish"]["generation"])
    assert (verdict["overall"]["lost"], verdict["overall"]["gained"]) == (0, 0)
    assert [segment["value"] for segment in verdict["segments"]] == ["north", "south", "Ōtautahi"]


def test_a_blocked_release_says_how_far_off_it_is_and_stays_readable(served: Served) -> None:
    gated = with_gate(served, on_breach="block")
    make_lossy(gated.workspace, NEXT)
    with pytest.raises(RefusedError, match="blocked") as refused:
        run_night(gated.workspace, gated.job, NEXT)
    assert "0.1250 of the live entities are lost (limit 0.05)" in str(refused.value.found)
    assert "0.3750 of the live entities are lost in a segment of region" in str(refused.value.found)
    gated.check_refused(refused.value)
    blocked = gated.workspace.predictions.generations(gated.job.name)[0]
    assert blocked.state is State.VERIFIED
    kept = open_reader(gated.workspace, gated.job).get(list(served.predictions)[-1], partition=NEXT)
    assert kept.generation == blocked.name
    assert last_event(gated).kind == "refused"


def test_values_of_rows_are_in_the_manifest_alone(served: Served) -> None:
    """Segments are values of upstream's rows: errors, logs and summaries count them."""
    gated = with_gate(served, on_breach="ask")
    make_lossy(gated.workspace, NEXT)
    published = run_night(gated.workspace, gated.job, NEXT)["publish"]
    assert published["result"] == "held"
    assert "north" not in json.dumps(published)
    breaches = read_manifest(gated.workspace, gated.job, published["generation"])["gate"]["breaches"]
    assert {(breach["column"], breach["value"]) for breach in breaches} == {("", ""), ("region", "north")}


def test_without_a_gate_nothing_is_asked(served: Served) -> None:
    first = read_manifest(served.workspace, served.job, served.first["publish"]["generation"])["gate"]
    assert (first["result"], first["why"]) == ("not_asked", "the job declares no release gate")


def test_the_first_release_of_a_job_with_a_gate_goes_live(served: Served) -> None:
    gated = with_gate(served, on_breach="block")
    gated.workspace.predictions._client.flushall()
    gated.workspace.lake.remove(f"jobs/{gated.job.name}/release_log")
    published = run_night(gated.workspace, gated.job, NEXT)["publish"]
    assert (published["result"], published["gate"]["why"]) == ("live", "nothing is live yet")


def test_an_older_partition_is_kept_without_asking(served: Served) -> None:
    run_night(served.workspace, served.job, NEXT)
    gated = with_gate(served, on_breach="block", max_shift=0.0)
    kept = run_night(gated.workspace, gated.job, served.first["publish"]["partition"], "again")["publish"]
    assert (kept["result"], kept["gate"]["result"]) == ("kept", "not_asked")
    assert last_event(gated).kind == "kept"


def test_a_live_generation_that_cannot_be_compared_with_is_a_breach(served: Served) -> None:
    gated = with_gate(served, on_breach="block")
    live = live_header(served.workspace, served.job).generation
    served.workspace.lake.remove(f"jobs/{served.job.name}/releases/{live}.json")
    with pytest.raises(RefusedError, match="blocked") as refused:
        run_night(gated.workspace, gated.job, NEXT)
    assert "cannot be compared with" in str(refused.value.found)
    gated.check_refused(refused.value)


def test_segments_that_the_population_does_not_have_are_refused_before_anything_is_loaded(served: Served) -> None:
    job = served.job.model_copy(update={"segments": ("colour",)})
    with pytest.raises(DeclarationError, match="columns that its population does not have"):
        run_night(served.workspace, job, NEXT)
    assert len(served.workspace.predictions.generations(job.name)) == 1


def test_what_became_live_after_the_comparison_is_not_replaced(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run, with a lower token, is made live between the gate and the flip."""
    gated = with_gate(served, on_breach="block")
    workspace, job = gated.workspace, gated.job
    slow = workspace.predictions.begin(job.name, NEXT, rows=1, shards=1)

    def publish_in_between(*arguments: Any) -> str:
        with slow:
            slow.send(pa.table({"id": ["x"], "prediction": [1.0]}))
            slow.read_back()
            header = slow.make_header(
                cutoff=workspace.clock(),
                model_version="1",
                feature_set="",
                columns=("prediction",),
                max_age_seconds=None,
                manifest="",
            )
            slow.seal(header)
        workspace.predictions.flip(job.name, slow.generation, slow.token)
        return write_manifest(*arguments)

    monkeypatch.setattr("pipeline.tasks.staging.write_manifest", publish_in_between)
    with pytest.raises(RefusedError, match="another release became live"):
        run_night(workspace, job, NEXT)
    assert live_header(workspace, job).generation == slow.generation


def test_what_redis_lost_is_still_compared_with(served: Served) -> None:
    strict = with_gate(served, on_breach="block")
    workspace, job = strict.workspace, strict.job
    workspace.predictions._client.flushall()
    make_lossy(workspace, NEXT)
    with pytest.raises(RefusedError, match="release gate blocked") as refused:
        run_night(workspace, job, NEXT, "lossy")
    assert served.first["publish"]["generation"] in str(refused.value.expected)
    assert workspace.predictions.live(job.name) is None


def test_a_first_release_is_not_made_live_over_another_that_it_was_not_compared_with(
    trained: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated, judge = gate_job(job, on_breach="block"), gating.judge_release

    def overtake(*arguments: Any) -> Any:
        verdict = judge(*arguments)
        monkeypatch.setattr(staging, "judge_release", judge)
        run_night(trained, gated, LIVE, "other")
        return verdict

    monkeypatch.setattr(staging, "judge_release", overtake)
    with pytest.raises(RefusedError, match="another release became live"):
        run_night(trained, gated, NEXT)
    assert live_header(trained, gated).partition == LIVE
