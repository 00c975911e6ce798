"""An entity that is erased is nowhere any more, and everything else is as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import tasks
from pipeline.digests import digest_bytes
from pipeline.errors import BadInputError, RefusedError
from pipeline.keyspace import bucket_key, bucket_of
from pipeline.serving import Reader
from pipeline.stores.deliveries import Deliveries
from pipeline.tasks import Workspace
from pipeline.tasks.erasing import CLAIM
from tests.clock import Clock
from tests.meter_readings.upstream import FIRST_ID, METERS, MeterUpstream
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, land_again, open_reader, read_live, read_scores, run_night, run_until_scored
from tests.tasks.test_bad_deliveries import set_amps

ID = str(FIRST_ID + 10)
WHO, WHY = "Jane Doe", "asked to be forgotten"
LAKE_KINDS = {"delivery", "ingest", "validate", "build_features", "score", "tiles", "windows", "background"}


def erase(served: Served, entity_id: str = ID) -> dict[str, Any]:
    return tasks.erase_entity(served.workspace, served.job, entity_id, who=WHO, why=WHY)


def places(report: dict[str, Any]) -> set[str]:
    return {what for what, _, _ in tasks.count_found(report)}


def list_rows(workspace: Workspace, entity_id: str) -> Iterator[str]:
    """Files of the lake that hold the id in any column of any kind; found without the code under test."""
    for path in Path(workspace.settings.lake).rglob("*"):
        if path.is_file() and ".parquet" in path.name:
            columns = pq.read_table(path).to_pydict().values()
            if any(str(value) == entity_id for column in columns for value in column):
                yield str(path)


def test_an_erased_entity_is_in_no_file_and_in_no_generation(served: Served) -> None:
    run_night(served.workspace, served.job, NEXT)
    assert list(list_rows(served.workspace, ID))
    report = erase(served)
    # Whether it is among the highest predictions, which are explained, is the model's affair.
    assert places(report) - {"explain"} == LAKE_KINDS | {"generation in Redis"}
    assert (report["left"], report["unread"]) == ([], [])
    assert list(list_rows(served.workspace, ID)) == []
    reader = open_reader(served.workspace, served.job)
    assert reader.get(ID).source == "prior"
    assert reader.get(ID, partition=LIVE).source == "prior"


def test_everybody_else_is_served_as_before(served: Served) -> None:
    erase(served)
    others = {name: value for name, value in served.predictions.items() if name != ID}
    assert read_live(served.workspace, served.job, list(others)) == others
    live = served.workspace.predictions.live(served.job.name)
    assert live is not None
    assert live.generation == served.first["publish"]["generation"]
    assert live.header.rows == METERS - 1
    entries = list(served.workspace.predictions.read_generation(served.job.name, live.header))
    assert sum(len(ids) for ids, _ in entries) == METERS - 1


def test_looking_first_changes_nothing(served: Served) -> None:
    files = {path: path.read_bytes() for path in Path(served.workspace.settings.lake).rglob("*") if path.is_file()}
    found = tasks.find_entity(served.workspace, served.job, ID)
    assert {path: path.read_bytes() for path in files} == files
    assert open_reader(served.workspace, served.job).get(ID).found
    assert tasks.count_found(erase(served)) == tasks.count_found(found)


def test_the_report_in_the_lake_tells_everything_but_the_id(served: Served) -> None:
    erase(served)
    text = served.workspace.lake.read_bytes("jobs/meter_readings/erasures/000001.json").decode()
    assert ID not in text
    report = json.loads(text)
    assert (report["who"], report["why"], report["number"]) == ("Jane Doe", "asked to be forgotten", 1)
    assert sum(item["rows"] for item in report["found"] if item["what"] == "generation in Redis") == 1
    assert any(remark.startswith("models") for remark in report["not_touched"])
    assert [before["who"] for before in tasks.find_entity(served.workspace, served.job, ID)["erased_before"]] == [
        "Jane Doe"
    ]
    assert tasks.find_entity(served.workspace, served.job, str(FIRST_ID))["erased_before"] == []


def test_what_was_released_can_still_be_read_and_checked(served: Served) -> None:
    """The release keeps its manifest and its digests; its scores are those of everybody else."""
    path = f"jobs/meter_readings/releases/{served.first['publish']['generation']}.json"
    before = served.workspace.lake.read_bytes(path)
    erase(served)
    outputs = served.workspace.outputs(served.job)
    scored = outputs.load("score", served.first["score"]["output"])
    assert (scored.facts["rows"], outputs.count_rows(scored, "scores")) == (METERS, METERS - 1)
    others = {name: value for name, value in served.predictions.items() if name != ID}
    assert read_scores(served.workspace, served.job, served.first["score"]) == others
    assert served.workspace.lake.read_bytes(path) == before


def test_a_run_after_the_erasure_works_on_what_is_left_and_gets_the_same_bytes_every_time(served: Served) -> None:
    erase(served)
    again = run_night(served.workspace, served.job, LIVE, "again")
    assert again["publish"]["accounting"]["received"] == METERS - 1
    assert again["publish"]["result"] == "live"
    assert again["score"]["output"] != served.first["score"]["output"]
    forced = run_night(served.workspace, served.job, LIVE, "forced", force=True)
    assert forced["score"]["output"] == again["score"]["output"]
    assert list(list_rows(served.workspace, ID)) == []
    assert run_night(served.workspace, served.job, NEXT)["publish"]["result"] == "live"


def test_landing_the_same_files_again_does_not_bring_the_entity_back(served: Served) -> None:
    erase(served)
    table = MeterUpstream().deliver("meters", date.fromisoformat(LIVE))
    assert table is not None
    delivery, is_new = Deliveries(served.workspace.lake).land(
        "meters", date.fromisoformat(LIVE), [table], served.workspace.clock()
    )
    assert not is_new
    assert delivery.rows == METERS - 1
    assert list(list_rows(served.workspace, ID)) == []


def test_refused_rows_are_erased_from_the_quarantine(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, set_amps(4, 1000.0))
    run_night(served.workspace, served.job, NEXT)
    refused = str(FIRST_ID + 2)
    erase(served, refused)
    assert list(list_rows(served.workspace, refused)) == []


def test_a_second_entity_can_be_erased_after_the_first(served: Served) -> None:
    erase(served)
    erase(served, str(FIRST_ID))
    run_night(served.workspace, served.job, LIVE, "again")
    erase(served, str(FIRST_ID + 2))
    assert [path for one in (ID, str(FIRST_ID), str(FIRST_ID + 2)) for path in list_rows(served.workspace, one)] == []
    night = run_night(served.workspace, served.job, LIVE, "and again")
    assert night["publish"]["accounting"]["scored"] == METERS - 3


def test_what_a_broken_erasure_left_is_found_by_the_next(served: Served) -> None:
    """The original is removed last: it may stay behind beside the file that is read in its place."""
    delivery = served.workspace.deliveries.newest("meters", LIVE)
    assert delivery is not None
    path = f"{delivery.folder}/{delivery.files[0].name}"
    original = served.workspace.lake.read_bytes(path)
    erase(served)
    served.workspace.lake.replace(path, original)
    report = erase(served)
    assert [(item["what"], item["where"]) for item in report["found"]] == [("delivery", delivery.folder)]
    assert not served.workspace.lake.exists(path)


def test_a_run_that_began_before_the_erasure_publishes_nothing(served: Served) -> None:
    scored = run_until_scored(served.workspace, served.job, NEXT, "slow")
    erase(served)
    with pytest.raises(RefusedError, match="overtaken while it worked"):
        tasks.publish(served.workspace, served.job, NEXT, "slow", scored["score"])
    assert open_reader(served.workspace, served.job).get(ID).source == "prior"


def test_a_load_under_way_is_given_up(served: Served) -> None:
    load = served.workspace.predictions.begin(served.job.name, NEXT, 240, 1, decimals=3)
    report = erase(served)
    assert "load under way, given up" in places(report)
    states = {item.name: item.state for item in served.workspace.predictions.generations(served.job.name)}
    assert states[load.generation] == "rejected"
    load.abandon()


def test_two_erasures_do_not_work_at_once(served: Served, clock: Clock) -> None:
    served.workspace.lake.put_json_if_absent(CLAIM, {"job": "other", "who": "John", "at": clock().isoformat()})
    with pytest.raises(RefusedError, match="another erasure is under way"):
        erase(served)
    clock.advance(hours=2)
    assert erase(served)["left"] == []
    assert not served.workspace.lake.exists(CLAIM)


def test_a_file_that_cannot_be_read_is_told(served: Served) -> None:
    delivery = served.workspace.deliveries.newest("meters", NEXT)
    assert delivery is not None
    path = f"{delivery.folder}/{delivery.files[0].name}"
    served.workspace.lake.replace(path, b"PAR1 and nothing more")
    assert erase(served)["unread"] == [path]


def test_a_redacted_file_is_checked_like_any_other(served: Served) -> None:
    erase(served)
    delivery = served.workspace.deliveries.newest("meters", LIVE)
    assert delivery is not None
    (file,) = delivery.files
    assert digest_bytes(served.workspace.lake.read_bytes(f"{delivery.folder}/{file.name}")) == file.sha256
    served.workspace.lake.replace(f"{delivery.folder}/{file.name}", b"PAR1")
    with pytest.raises(BadInputError, match="not what its marker says"):
        served.workspace.deliveries.verify(delivery, served.job.name)


@pytest.mark.parametrize("entity_id", ["", "x" * 65, "a\nb"])
def test_what_cannot_be_an_id_is_not_looked_for(served: Served, entity_id: str) -> None:
    with pytest.raises(BadInputError, match="cannot be an entity id"):
        tasks.find_entity(served.workspace, served.job, entity_id)


def test_names_in_any_script_are_erased_too(served_names: Served) -> None:
    entity_id = next(name for name in served_names.predictions if "灯台" in name)
    tasks.erase_entity(served_names.workspace, served_names.job, entity_id, who=WHO, why=WHY)
    assert list(list_rows(served_names.workspace, entity_id)) == []
    assert open_reader(served_names.workspace, served_names.job).get(entity_id).source == "prior"


def test_a_bucket_that_loses_its_last_entity_is_empty_and_not_damaged(served: Served) -> None:
    workspace, job = served.workspace, served.job
    live = workspace.predictions.live(job.name)
    assert live is not None
    bucket = bucket_of(ID, live.header.buckets)
    for entity_id in [name for name in served.predictions if bucket_of(name, live.header.buckets) == bucket]:
        workspace.predictions.erase_entity(job.name, entity_id)
    reader = Reader(workspace.settings.redis_url.get_secret_value(), job.name, clock=workspace.clock, live_seconds=0)
    assert reader.get(ID).source == "prior"
    header = workspace.predictions.header(job.name, live.generation)
    assert header is not None
    kept = [name for ids, _ in workspace.predictions.read_generation(job.name, header) for name in ids]
    assert sorted(kept) == sorted(name for name in served.predictions if bucket_of(name, header.buckets) != bucket)
    assert len(kept) == header.rows
    client = workspace.predictions._client
    assert client.hgetall(bucket_key(job.name, live.generation, bucket)) == {"": "null"}


def test_a_redis_that_is_filled_again_does_not_bring_the_entity_back(served: Served) -> None:
    erase(served)
    served.workspace.predictions._client.flushall()
    restored = tasks.republish(served.workspace, served.job, who=WHO)
    assert (restored["live"], restored["generations"]) == (
        served.first["publish"]["generation"],
        {served.first["publish"]["generation"]: "restored"},
    )
    others = {name: value for name, value in served.predictions.items() if name != ID}
    assert read_live(served.workspace, served.job, list(others)) == others
    assert open_reader(served.workspace, served.job).get(ID).source == "prior"
