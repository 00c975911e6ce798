"""Nights of the second job, whole, on a real lake and a real Redis."""

from __future__ import annotations

import pytest

from pipeline import tasks
from pipeline.job import Job
from pipeline.keyspace import shard_of
from pipeline.serving import PartitionNotKept
from pipeline.tasks import Workspace
from pipeline.tasks.cold_starts import read_priors
from tests.meter_readings.upstream import FIRST_ID, METERS
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, NIGHTS, live_header, open_reader, read_live, read_scores, run_night


def test_every_row_of_the_population_is_accounted_for(served: Served) -> None:
    assert served.first["publish"]["accounting"] == {
        "received": METERS,
        "quarantined": 0,
        "scored": METERS,
        "published": METERS,
        "read_back": METERS,
    }


def test_redis_holds_what_the_lake_holds_under_numeric_ids_beyond_every_float(served: Served) -> None:
    ids = [str(FIRST_ID + 2 * number) for number in range(METERS)]
    assert sorted(served.predictions) == ids
    assert read_live(served.workspace, served.job, ids) == served.predictions
    assert len(set(served.predictions.values())) > METERS / 2


def test_predictions_are_rounded_to_the_decimals_of_the_job(served: Served) -> None:
    assert all(value == round(value, served.job.decimals) for value in served.predictions.values())


def test_a_reader_gets_model_partition_generation_and_age(served: Served) -> None:
    answer = open_reader(served.workspace, served.job).get(str(FIRST_ID))
    assert (answer.model_version, answer.partition) == ("1", LIVE)
    assert answer.generation == served.first["publish"]["generation"]
    # Closed at 02:00 in Auckland, 13 hours ahead of UTC, on the next day; now is 2024-03-10T12:00Z.
    assert answer.cutoff.isoformat() == "2024-03-03T13:00:00+00:00"
    assert answer.age.total_seconds() == 6 * 86400 + 23 * 3600
    assert answer.source == "stale"


def test_an_unknown_meter_has_no_prediction_of_its_own(served: Served) -> None:
    answer = open_reader(served.workspace, served.job).get("12")
    assert str(answer.source) == "prior"
    assert answer.value == read_priors(served.workspace, served.job, "1")[0][""]


def test_the_night_is_done_in_the_shards_of_the_population(served: Served) -> None:
    outputs = served.workspace.outputs(served.job)
    scored = outputs.load("score", served.first["score"]["output"])
    assert scored.shards("scores") == ["scores-0000", "scores-0001", "scores-0002"]
    for shard, label in enumerate(scored.shards("scores")):
        ids = outputs.read(scored, label)["entity_id"].to_pylist()
        assert ids
        assert {shard_of(entity_id, 3) for entity_id in ids} == {shard}


def test_the_manifest_of_a_release_names_everything_behind_it(served: Served) -> None:
    published = served.first["publish"]
    manifest = served.workspace.lake.read_json(f"jobs/meter_readings/releases/{published['generation']}.json")
    champion = served.workspace.ledger(served.job).require_champion(LIVE)
    assert manifest["partition"] == LIVE
    digest = champion.registration.model_digest
    assert manifest["model"] == {"version": "1", "digest": digest, "compiled": None}, "no trees"
    assert manifest["accounting"] == published["accounting"]
    deliveries = {name: source["delivery"] for name, source in manifest["sources"].items()}
    assert deliveries == served.first["ingest"]["deliveries"]
    assert deliveries["tariffs"]["partition"] == "2024-02-26", "a dimension is the newest up to the partition"
    assert live_header(served.workspace, served.job).manifest == published["manifest"]


def test_the_record_of_a_run_tells_every_stage(served: Served) -> None:
    found = tasks.read_run(served.workspace, served.job, LIVE)
    assert [stage["stage"] for stage in found["stages"]] == [
        "ingest",
        "validate",
        "build_features",
        "score",
        "publish",
    ]
    assert {stage["state"] for stage in found["stages"]} == {"success"}
    assert found["accounting"]["read_back"] == METERS


def test_a_second_run_finds_everything_done_and_publishes_a_new_generation(served: Served) -> None:
    workspace, job = served.workspace, served.job
    stages = [f"stages/{job.name}/{stage}" for stage in workspace.lake.list(f"stages/{job.name}")]
    made = {stage: workspace.lake.list(stage) for stage in stages}
    second = run_night(workspace, job, LIVE, "second")
    for stage in ("validate", "build_features", "score"):
        assert second[stage]["output"] == served.first[stage]["output"]
    assert {stage: workspace.lake.list(stage) for stage in stages} == made
    assert second["publish"]["result"] == "live"
    assert second["publish"]["previous"] == served.first["publish"]["generation"]
    assert read_live(workspace, job, list(served.predictions)) == served.predictions


def test_force_computes_everything_again_and_gets_the_same_bytes(served: Served) -> None:
    workspace, job = served.workspace, served.job
    again = run_night(workspace, job, LIVE, "forced", force=True)
    for stage in ("validate", "build_features", "score"):
        assert again[stage]["output"] == served.first[stage]["output"]
    assert read_scores(workspace, job, again["score"]) == served.predictions


def test_force_writes_what_a_broken_disk_took(served: Served) -> None:
    workspace, job = served.workspace, served.job
    outputs = workspace.outputs(job)
    scored = outputs.load("score", served.first["score"]["output"])
    path = f"stages/{job.name}/score/{scored.address}/{scored.files['scores-0001'].name}"
    content = workspace.lake.read_bytes(path)
    workspace.lake.replace(path, b"broken")
    run_night(workspace, job, LIVE, "forced", force=True)
    assert workspace.lake.read_bytes(path) == content


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_nights_in_any_order_give_the_same_predictions_and_leave_the_newest_live(
    trained: Workspace, job: Job, order: tuple[int, ...]
) -> None:
    nights = {NIGHTS[number]: run_night(trained, job, NIGHTS[number]) for number in order}
    newest = NIGHTS[2]
    assert live_header(trained, job).partition == newest
    reader = open_reader(trained, job)
    for partition, night in nights.items():
        scores = read_scores(trained, job, night["score"])
        answers = reader.get_many(scores, partition=partition)
        assert {entity_id: answer.value for entity_id, answer in answers.items()} == scores
        assert {answer.partition for answer in answers.values()} == {partition}


def test_an_older_partition_is_kept_and_readable_and_does_not_become_live(served: Served) -> None:
    workspace, job = served.workspace, served.job
    newer = run_night(workspace, job, NEXT)
    older = run_night(workspace, job, LIVE, "backfill")
    assert older["publish"]["result"] == "kept"
    assert live_header(workspace, job).generation == newer["publish"]["generation"]
    first = next(iter(served.predictions))
    answer = open_reader(workspace, job).get(first, partition=LIVE)
    assert (answer.value, answer.generation) == (served.predictions[first], older["publish"]["generation"])


def test_a_partition_that_was_never_published_is_told_from_a_missing_prediction(served: Served) -> None:
    with pytest.raises(PartitionNotKept):
        open_reader(served.workspace, served.job).get(str(FIRST_ID), partition=NIGHTS[2])
