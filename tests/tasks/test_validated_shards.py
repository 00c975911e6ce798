"""What validation writes of a shard, the very bytes that came but for rows that are refused, and what it keeps."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.contracts import POSITION
from pipeline.job import Job
from pipeline.stages import judge_batch
from pipeline.stages.judge_batch import BatchVerdict
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace, accepting, judging
from pipeline.tasks.accepting import examine_deliveries, examine_delivery
from pipeline.tasks.ingesting import ROLE as INGESTED
from pipeline.tasks.ingesting import find_ingested
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


def test_the_rows_of_all_sources_come_before_the_first_verdict(
    landed: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they are judged, Great Expectations is imported."""
    done = []
    for name in ("validate_and_sample", "judge_delivery"):
        original = getattr(accepting, name)

        def note(*arguments: Any, _name: str = name, _original: Any = original, **others: Any) -> Any:
            done.append((_name, arguments[2].name))
            return _original(*arguments, **others)

        monkeypatch.setattr(accepting, name, note)
    found = {source.name: find_delivery(landed, source, LIVE) for source in job.sources}
    deliveries = {name: delivery for name, delivery in found.items() if delivery is not None}
    examined = examine_deliveries(landed, job, deliveries)
    assert done == [(name, source) for name in ("validate_and_sample", "judge_delivery") for source in deliveries]
    assert len(examined) == len(deliveries) > 1
    for name, delivery in deliveries.items():
        assert examined[name] == examine_delivery(landed, job, job.source(name), delivery)


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
