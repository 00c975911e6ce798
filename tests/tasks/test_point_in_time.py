"""Training and nights see the same features, and only what was known at the cutoff."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.job import Job, Training
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace
from pipeline.tasks.snapshots import take_snapshot
from tests.meter_readings.job import JOB
from tests.meter_readings.upstream import MeterUpstream
from tests.tasks.nights import LIVE, NEXT, land_again

OpenCopy = Callable[[Path], Workspace]


@pytest.fixture
def job() -> Job:
    """The second job without suites: what they say of a batch is no feature, and takes most of the time."""
    sources = tuple(source.model_copy(update={"suite": None}) for source in JOB.sources)
    return JOB.model_copy(update={"sources": sources})


def build_night(workspace: Workspace, job: Job, partition: str) -> Output:
    """A partition's features as its night builds them."""
    ingested = tasks.ingest(workspace, job, partition, "night")
    validated = tasks.validate(workspace, job, partition, "night", ingested)
    built = tasks.build_features(workspace, job, partition, "night", validated)
    return workspace.outputs(job).load("build_features", built["output"])


def read_frame(workspace: Workspace, job: Job, built: Output) -> pd.DataFrame:
    """Features of all shards, by entity id."""
    rows: pd.DataFrame = workspace.outputs(job).read_all(built, "features").to_pandas()
    return rows.set_index(job.entity_id).sort_index()


def declare_shards(job: Job, shards: int) -> Job:
    sources = tuple(source.model_copy(update={"shards": shards}) for source in job.sources)
    return job.model_copy(update={"sources": sources})


def test_features_of_a_past_partition_are_rebuilt_for_training_bit_for_bit(
    landed_home: Path, open_copy: OpenCopy, job: Job
) -> None:
    nightly, training = open_copy(landed_home), open_copy(landed_home)
    built = build_night(nightly, job, LIVE)
    quick = job.model_copy(update={"training": Training(window=1, minimum=1, holdout=1)})
    snapshot = take_snapshot(training, quick, "2024-03-06")
    (entry,) = snapshot.inputs["train"]
    assert entry["partition"] == LIVE
    rebuilt = training.outputs(quick).load("build_features", entry["features"])
    assert rebuilt.digest == built.digest
    assert {label: file.sha256 for label, file in rebuilt.files.items()} == {
        label: file.sha256 for label, file in built.files.items()
    }
    assert len(built.shards("features")) == 3


def test_the_number_of_shards_changes_no_value(landed_home: Path, open_copy: OpenCopy, job: Job) -> None:
    frames = []
    for shards in (1, 3):
        workspace, declared = open_copy(landed_home), declare_shards(job, shards)
        frames.append(read_frame(workspace, declared, build_night(workspace, declared, LIVE)))
    pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)


def test_trailing_features_are_those_computed_from_the_raw_deliveries(landed: Workspace, job: Job) -> None:
    days = [date.fromisoformat(LIVE) - timedelta(days=age) for age in range(4)]
    raw = pa.concat_tables([MeterUpstream()._readings(day) for day in days]).to_pandas().dropna(subset=["kwh"])
    sums, counts = raw.groupby("meter_id")["kwh"].sum(), raw.groupby("meter_id")["kwh"].count()
    expected = (sums + 0.5 * raw["kwh"].mean()) / (counts + 0.5)
    found = read_frame(landed, job, build_night(landed, job, LIVE))
    expected.index = expected.index.astype("str")
    pd.testing.assert_series_equal(
        found["kwh_mean_by_meter_id_4d"].sort_index(),
        expected.reindex(found.index),
        check_names=False,
        check_index_type=False,
    )
    assert found["kwh_count_by_meter_id_4d"].sum() == counts.sum()


def test_what_became_known_after_the_cutoff_counts_for_nothing(
    landed_home: Path, open_copy: OpenCopy, job: Job
) -> None:
    late = pd.Timestamp(job.cutoff(date.fromisoformat(LIVE)))

    def delay(table: pa.Table) -> pa.Table:
        moments = table["read_at"].to_pandas()
        moments[:4] = late
        return table.set_column(table.schema.get_field_index("read_at"), "read_at", pa.array(moments))

    frames = []
    for change in (delay, lambda table: table.slice(4)):
        workspace = open_copy(landed_home)
        land_again(workspace, "readings", LIVE, change)
        frames.append(read_frame(workspace, job, build_night(workspace, job, LIVE)))
    pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)


def test_later_deliveries_change_no_feature_of_an_earlier_partition(
    landed_home: Path, open_copy: OpenCopy, job: Job
) -> None:
    before, after = open_copy(landed_home), open_copy(landed_home)
    land_again(after, "readings", NEXT, lambda table: table.slice(0, 230))
    land_again(after, "tariffs", "2024-03-04", lambda table: table.slice(0, 1))
    assert build_night(after, job, LIVE).digest == build_night(before, job, LIVE).digest


def test_a_changed_reading_within_the_window_changes_features(landed_home: Path, open_copy: OpenCopy, job: Job) -> None:
    before, after = open_copy(landed_home), open_copy(landed_home)

    def double(table: pa.Table) -> pa.Table:
        return table.set_column(table.schema.get_field_index("kwh"), "kwh", pc.multiply(table["kwh"], 2.0))

    land_again(after, "readings", "2024-03-01", double)
    one, other = (read_frame(item, job, build_night(item, job, LIVE)) for item in (before, after))
    assert (one["kwh_mean_by_meter_id_1d"] == other["kwh_mean_by_meter_id_1d"]).all()
    assert not (one["kwh_mean_by_meter_id_4d"] == other["kwh_mean_by_meter_id_4d"]).any()


@pytest.mark.parametrize("source", ["meters", "readings"])
def test_the_order_of_delivered_rows_changes_no_value(
    landed_home: Path, open_copy: OpenCopy, job: Job, source: str
) -> None:
    frames = []
    for change in (None, lambda table: table.take(pa.array(range(table.num_rows)[::-1]))):
        workspace = open_copy(landed_home)
        if change is not None:
            land_again(workspace, source, LIVE, change)
        frames.append(read_frame(workspace, job, build_night(workspace, job, LIVE)))
    pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)
