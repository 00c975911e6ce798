"""The highest predictions of a night are explained, and the reasons go where the predictions go."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from pipeline import tasks
from pipeline.errors import DamagedError
from pipeline.job import Job
from pipeline.keyspace import reasons_key
from pipeline.predicting import predict_outcomes
from pipeline.stages.explain import explain_rows, thin_out
from pipeline.stages.matrix import take_matrix
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.models import Model, Models
from pipeline.stores.predictions.shipment import Shipment
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace, reasons
from pipeline.tasks.background import BACKGROUND, BACKGROUND_STAGE
from pipeline.tasks.manifests import read_manifest
from pipeline.tasks.reasons import EXPLAIN_STAGE, REASONS
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, live_header, open_reader, read_live, run_night, run_until_scored

WHO = "tests"


def with_explained(job: Job, explained: int) -> Job:
    return job.model_copy(update={"monitoring": job.monitoring.model_copy(update={"explained": explained})})


def find_output(workspace: Workspace, job: Job, summary: dict[str, Any]) -> Output:
    return workspace.outputs(job).load(EXPLAIN_STAGE, summary["score"]["reasons"]["output"])


def read_texts(workspace: Workspace, job: Job, summary: dict[str, Any]) -> dict[str, str]:
    table = workspace.outputs(job).read_all(find_output(workspace, job, summary), REASONS)
    return dict(zip(table["entity_id"].to_pylist(), table[REASONS].to_pylist(), strict=True))


def find_highest(served: Served, count: int) -> list[str]:
    return sorted(served.predictions, key=lambda name: (-served.predictions[name], name))[:count]


def test_the_highest_have_reasons_in_redis_as_in_the_lake(served: Served) -> None:
    workspace, job = served.workspace, served.job
    texts = read_texts(workspace, job, served.first)
    assert list(texts) == find_highest(served, job.monitoring.explained)
    assert served.first["score"]["reasons"]["rows"] == served.first["publish"]["reasons"] == len(texts)
    answers = open_reader(workspace, job).reasons_many(list(served.predictions))
    found = {name: answer.reasons for name, answer in answers.items() if answer.state == "explained"}
    assert found == {name: tuple((feature, value) for feature, value in json.loads(texts[name])) for name in texts}
    assert {answer.state for answer in answers.values()} == {"explained", "not_among_highest"}


def test_reasons_are_contributions_that_add_up_to_the_prediction(served: Served) -> None:
    """Their three largest: here with all of them, against the background that the lake holds."""
    workspace, job = served.workspace, served.job
    name = find_highest(served, 1)[0]
    outputs, output = workspace.outputs(job), find_output(workspace, job, served.first)
    (background,) = outputs.find_all(BACKGROUND_STAGE)
    others = take_matrix(outputs.read_all(background, BACKGROUND).to_pandas(), job, LIVE)
    others = thin_out(others, output.facts["background"])
    built = outputs.read_all(outputs.load("build_features", served.first["score"]["features"]), "features").to_pandas()
    row = take_matrix(built[built[job.entity_id] == name].reset_index(drop=True), job, LIVE)
    estimator = workspace.models(job).load(workspace.ledger(job).version("1")).estimator
    found = explain_rows(partial(predict_outcomes, estimator, task=job.task), row, others, seed=1)
    assert found.base + found.contributions.sum() == pytest.approx(served.predictions[name], abs=1e-3)
    told = dict(json.loads(read_texts(workspace, job, served.first)[name]))
    assert found.base == output.facts["base"]
    for feature, value in told.items():
        assert found.contributions[0, list(row.columns).index(feature)] == pytest.approx(value, abs=1e-3)


def test_the_same_inputs_give_the_same_bytes(served: Served) -> None:
    """A second run finds what was made; one that is forced makes it again, and the store refuses another result."""
    workspace, job = served.workspace, served.job
    output = find_output(workspace, job, served.first)
    again = run_until_scored(workspace, job, LIVE, "again")
    forced = run_until_scored(workspace, job, LIVE, "forced", force=True)
    for other in (again, forced):
        assert find_output(workspace, job, other).digest == output.digest
        assert other["score"]["warnings"] == []


def test_scores_that_were_there_already_have_the_same_reasons(served: Served) -> None:
    """The pass that scores keeps the highest; where it was made before, they are read again."""
    workspace, job = served.workspace, served.job
    output = find_output(workspace, job, served.first)
    workspace.outputs(job).remove(EXPLAIN_STAGE, output.address)
    again = run_until_scored(workspace, job, LIVE, "again")
    assert not again["score"]["computed"]
    assert find_output(workspace, job, again).digest == output.digest


@pytest.mark.parametrize("explained", [0, 3, 1000])
def test_no_more_are_explained_than_the_job_says(served: Served, explained: int) -> None:
    workspace, job = served.workspace, with_explained(served.job, explained)
    done = run_night(workspace, job, NEXT)
    rows = done["score"]["reasons"]["rows"]
    assert rows == min(explained, done["score"]["rows"])
    assert (live_header(workspace, job).reason_buckets > 0) == (rows > 0)
    assert (read_manifest(workspace, job, done["publish"]["generation"])["reasons"] is None) == (rows == 0)


def test_a_night_that_cannot_be_explained_is_released_without_reasons(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("meter 70000000000001 has a value of 12.5")

    monkeypatch.setattr(reasons, "explain_rows", fail)
    done = run_night(served.workspace, served.job, NEXT)
    assert done["publish"]["result"] == "live"
    assert done["score"]["reasons"]["output"] is None
    (warning,) = done["score"]["warnings"]
    assert warning.startswith("the predictions have no reasons: ValueError")
    assert "70000000000001" not in warning
    answer = open_reader(served.workspace, served.job).reasons(next(iter(served.predictions)))
    assert (answer.prediction.partition, answer.state) == (NEXT, "none_made")


def test_a_model_whose_snapshot_is_gone_serves_without_reasons(served: Served) -> None:
    workspace, job = served.workspace, served.job
    for stage in ("snapshot", BACKGROUND_STAGE):
        for output in workspace.outputs(job).find_all(stage):
            workspace.outputs(job).remove(stage, output.address)
    done = run_night(workspace, job, NEXT)
    assert done["publish"]["result"] == "live"
    assert "does not have the snapshot that model 1 was trained on" in done["score"]["warnings"][0]


def test_reasons_that_the_lake_lost_meanwhile_do_not_stop_the_publication(served: Served) -> None:
    workspace, job = served.workspace, served.job
    done = run_until_scored(workspace, job, NEXT)
    workspace.outputs(job).remove(EXPLAIN_STAGE, done["score"]["reasons"]["output"])
    published = tasks.publish(workspace, job, NEXT, "first", done["score"])
    assert (published["result"], published["reasons"]) == ("live", 0)
    assert "the predictions have no reasons: FileNotFoundError" in published["warnings"]
    assert read_manifest(workspace, job, published["generation"])["reasons"] is None


def test_reasons_that_were_altered_in_the_lake_are_not_published(served: Served) -> None:
    workspace, job = served.workspace, served.job
    done = run_until_scored(workspace, job, NEXT)
    output = find_output(workspace, job, done)
    (path,) = [
        file.path
        for file in workspace.lake.walk(f"stages/{job.name}/{EXPLAIN_STAGE}")
        if output.address in file.path and file.path.endswith(".parquet")
    ]
    workspace.lake.replace(path, b"nothing of it")
    published = tasks.publish(workspace, job, NEXT, "first", done["score"])
    assert (published["result"], published["reasons"]) == ("live", 0)
    assert "not what its manifest says" in published["warnings"][-1]


def test_a_sabotaged_hash_stops_the_release(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read back as predictions are."""
    workspace, job = served.workspace, served.job
    read_back = Shipment.read_back

    def sabotage(shipment: Shipment) -> int:
        key = reasons_key(job.name, shipment._generation, 0)
        client = workspace.predictions._client
        client.hset(key, str(client.hkeys(key)[0]), "[]")
        return read_back(shipment)

    monkeypatch.setattr(Shipment, "read_back", sabotage)
    with pytest.raises(DamagedError, match="what was read back from Redis is not what was sent") as refused:
        run_night(workspace, job, NEXT)
    served.check_refused(refused.value)


def test_the_model_is_loaded_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load = Models.load

    def count(models: Models, version: ModelVersion) -> Model:
        loaded.append(version.version)
        return load(models, version)

    monkeypatch.setattr(Models, "load", count)
    run_until_scored(served.workspace, served.job, NEXT)
    assert loaded == ["1"]


def test_an_erased_entity_leaves_no_reasons_anywhere(served: Served) -> None:
    workspace, job = served.workspace, served.job
    name = find_highest(served, 1)[0]
    texts = read_texts(workspace, job, served.first)
    found = tasks.find_entity(workspace, job, name)["found"]
    assert EXPLAIN_STAGE in {item["what"] for item in found}
    report = tasks.erase_entity(workspace, job, name, who=WHO, why="asked to")
    assert report["left"] == []
    del texts[name]
    assert read_texts(workspace, job, served.first) == texts
    reader = open_reader(workspace, job)
    assert reader.reasons(name).state == "not_in_population"
    workspace.predictions._client.flushall()
    tasks.republish(workspace, job, who=WHO)
    assert reader.reasons(name).state == "not_in_population"
    assert read_live(workspace, job, list(texts)) == {entity: served.predictions[entity] for entity in texts}
    assert {reader.reasons(entity).state for entity in texts} == {"explained"}


def test_a_republish_brings_them_back_and_does_without_those_that_the_lake_lost(served: Served) -> None:
    workspace, job = served.workspace, served.job
    header, client = live_header(workspace, job), workspace.predictions._client
    keys = [reasons_key(job.name, header.generation, number) for number in range(header.reason_buckets)]
    before = [client.hgetall(key) for key in keys]
    client.flushall()
    tasks.republish(workspace, job, who=WHO)
    assert [client.hgetall(key) for key in keys] == before
    assert live_header(workspace, job) == header
    client.flushall()
    workspace.outputs(job).remove(EXPLAIN_STAGE, served.first["score"]["reasons"]["output"])
    tasks.republish(workspace, job, who=WHO)
    served.check_still_served()
    assert live_header(workspace, job).reason_buckets == 0


def test_a_dry_run_leaves_none_in_redis(served: Served) -> None:
    workspace, job = served.workspace, served.job
    done = run_night(workspace, job, NEXT, dry_run=True)
    assert done["publish"]["reasons"] == job.monitoring.explained
    generation = done["publish"]["generation"]
    assert not workspace.predictions._client.keys(f"nightjar:{job.name}:{generation}:*")
