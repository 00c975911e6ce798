"""What validation writes of a shard, the very bytes that came but for rows that are refused, and what it keeps."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.contracts import POSITION
from pipeline.job import Job, Source
from pipeline.stages import judge_batch
from pipeline.stages.judge_batch import BatchVerdict
from pipeline.stores.deliveries import Delivery
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace, accepting, judging, validating
from pipeline.tasks.accepting import examine_deliveries, examine_delivery
from pipeline.tasks.ingesting import ROLE as INGESTED
from pipeline.tasks.ingesting import find_ingested
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.partitions import find_delivery
from pipeline.tasks.validating import QUARANTINED, VALID, validate_delivery
from tests.meter_readings.upstream import FIRST_ID, METERS
from tests.tasks.nights import LIVE, land_again
from tests.tasks.test_bad_deliveries import set_amps


def validate(workspace: Workspace, job: Job) -> tuple[Output, Output]:
    """The meters as they were ingested, and as they were validated."""
    delivery = find_delivery(workspace, job.population, LIVE)
    assert delivery is not None
    validated = validate_delivery(workspace, job, job.population, delivery)
    ingested = find_ingested(workspace, job, job.population, delivery)
    assert ingested is not None
    return ingested, validated


def find_deliveries(workspace: Workspace, job: Job) -> dict[str, Delivery]:
    """The newest delivery of every source, by its name."""
    found = {source.name: find_delivery(workspace, source, LIVE) for source in job.sources}
    return {name: delivery for name, delivery in found.items() if delivery is not None}


def test_a_shard_of_valid_rows_alone_is_the_bytes_that_came(landed: Workspace, job: Job) -> None:
    ingested, validated = validate(landed, job)
    outputs = landed.outputs(job)
    assert validated.rows == {VALID: ingested.rows[INGESTED], QUARANTINED: 0, "profile": job.population.shards}
    for came, valid in zip(ingested.shards(INGESTED), validated.shards(VALID), strict=True):
        assert outputs.read_bytes(validated, valid) == outputs.read_bytes(ingested, came)
        assert validated.files[valid].sha256 == ingested.files[came].sha256


def test_a_refused_row_is_in_no_file_of_valid_ones(landed: Workspace, job: Job) -> None:
    land_again(landed, job.population.name, LIVE, set_amps(1, 401.0))
    ingested, validated = validate(landed, job)
    outputs = landed.outputs(job)
    assert validated.rows[QUARANTINED] == 1
    assert outputs.read_all(validated, QUARANTINED)["meter_id"].to_pylist() == [FIRST_ID]
    for came, valid, refused in zip(
        ingested.shards(INGESTED), validated.shards(VALID), validated.shards(QUARANTINED), strict=True
    ):
        rows, positions = outputs.read(ingested, came), outputs.read(validated, refused)[POSITION]
        assert outputs.read(validated, valid) == rows.filter(
            pc.invert(pc.is_in(rows[POSITION], positions.combine_chunks()))
        )


def test_the_rows_of_all_sources_are_worked_on_together_before_the_first_verdict(
    landed: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they are, Great Expectations is imported."""
    spread: list[tuple[list[str], int, list[str]]] = []
    judged: list[str] = []

    def note_shards(workspace: Workspace, work: Any, shards: list[Any], *, rows: int) -> list[Any]:
        spread.append(([shard.source.name for shard in shards], rows, judged.copy()))
        return run_shards(workspace, work, shards, rows=rows)

    def note_verdict(workspace: Workspace, job: Job, source: Source, *arguments: Any, **others: Any) -> Any:
        judged.append(source.name)
        return judging.judge_delivery(workspace, job, source, *arguments, **others)

    monkeypatch.setattr(validating, "run_shards", note_shards)
    monkeypatch.setattr(accepting, "judge_delivery", note_verdict)
    deliveries = find_deliveries(landed, job)
    examined = examine_deliveries(landed, job, deliveries)
    assert len(examined) > 1
    shards = [name for name in deliveries for _ in range(job.source(name).shards)]
    assert spread[0] == (shards, sum(delivery.rows for delivery in deliveries.values()), [])
    assert judged == list(examined) == list(deliveries)
    for name, delivery in deliveries.items():
        assert examined[name] == examine_delivery(landed, job, job.source(name), delivery)


def test_what_was_validated_before_is_found_beside_what_was_not(landed: Workspace, job: Job) -> None:
    deliveries = find_deliveries(landed, job)
    *_, last = job.sources
    before = validate_delivery(landed, job, last, deliveries[last.name])
    divided = validating.validate_deliveries(landed, job, deliveries)
    assert list(divided) == list(deliveries)
    assert divided[last.name] == validating.Divided(before, None)
    for source in job.sources[:-1]:
        assert divided[source.name].rows.inputs["source"] == source.name
        assert (divided[source.name].candidates is None) == (source.suite is None)


@pytest.mark.parametrize("rows_of_sample", [10, 200_000])
def test_a_batch_is_judged_by_rows_that_were_kept_as_by_those_that_are_read_again(
    landed: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch, rows_of_sample: int
) -> None:
    for function in (judge_batch.choose_candidates, judge_batch.are_enough, judge_batch.take_sample):
        monkeypatch.setattr(function, "__defaults__", (rows_of_sample,))
    monkeypatch.setattr(judge_batch, "SAMPLE_ROWS", rows_of_sample)
    read: list[str] = []
    original = judging._read_candidates

    def note(workspace: Workspace, label: str, **others: Any) -> pa.Table:
        read.append(label)
        return original(workspace, label, **others)

    monkeypatch.setattr(judging, "_read_candidates", note)
    delivery = find_delivery(landed, job.population, LIVE)
    assert delivery is not None
    judged = examine_delivery(landed, job, job.population, delivery).judgement
    assert read == []
    assert judged is not None
    assert BatchVerdict.from_json(judged.facts["verdict"]).rows_seen == min(rows_of_sample, METERS)
    landed.outputs(job).remove(judging.STAGE, judged.address)
    again = examine_delivery(landed, job, job.population, delivery)
    assert again.judgement is not None
    assert read == again.rows.shards(VALID)
    assert again.judgement.digest == judged.digest
