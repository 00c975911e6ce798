"""Ingesting a delivery: the same shards however it comes in files and batches."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.stores.deliveries import Delivery
from pipeline.tasks import Workspace, ingesting
from tests.meter_readings.upstream import METERS, MeterUpstream
from tests.tasks.nights import LANDED_AT, LIVE

DAY = date.fromisoformat(LIVE)


def land(workspace: Workspace, *bounds: int) -> Delivery:
    """The meters of a day as one file between every two bounds."""
    table = MeterUpstream().deliver("meters", DAY)
    assert table is not None
    files = [table.slice(start, end - start) for start, end in pairwise(bounds)]
    return workspace.deliveries.land("meters", DAY, files, LANDED_AT)[0]


def test_every_row_is_numbered_by_its_place_in_the_delivery(workspace: Workspace, job: Job) -> None:
    delivery = land(workspace, 0, 100, 101, METERS)
    ingested = ingesting.ingest_delivery(workspace, job, job.population, delivery)
    rows = workspace.outputs(job).read_all(ingested, "rows")
    assert sorted(rows["_row"].to_pylist()) == list(range(METERS))
    ids = MeterUpstream().ids().to_pylist()
    assert all(
        ids[row] == meter for row, meter in zip(*(rows[name].to_pylist() for name in ("_row", "meter_id")), strict=True)
    )
    assert ingested.facts["received"] == METERS


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_size_of_batches_changes_no_byte(
    workspace: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    delivery = land(workspace, 0, 100, METERS)
    before = ingesting.ingest_delivery(workspace, job, job.population, delivery)
    monkeypatch.setattr(ingesting, "BATCH_ROWS", rows)
    again = ingesting.ingest_delivery(workspace, job, job.population, delivery, force=True)
    assert again.digest == before.digest


def test_a_delivery_of_no_files_is_empty(workspace: Workspace, job: Job) -> None:
    delivery, _ = workspace.deliveries.land("meters", DAY, [], LANDED_AT)
    with pytest.raises(BadInputError, match="empty"):
        ingesting.ingest_delivery(workspace, job, job.population, delivery)


def test_events_that_may_be_empty_are_taken_without_rows(workspace: Workspace, job: Job) -> None:
    source = job.source("readings").model_copy(update={"may_be_empty": True})
    table = MeterUpstream().deliver("readings", DAY)
    assert table is not None
    delivery, _ = workspace.deliveries.land("readings", DAY, [table.slice(0, 0)], LANDED_AT)
    ingested = ingesting.ingest_delivery(workspace, job, source, delivery)
    assert ingested.rows == {"rows": 0}
    assert len(ingested.shards("rows")) == 2
