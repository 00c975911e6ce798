"""History is worked on once, before days that share it are worked on side by side."""

from __future__ import annotations

from datetime import timedelta

from pipeline.job import Job
from pipeline.tasks import Workspace
from pipeline.tasks.accepting import validate_source
from pipeline.tasks.aggregates import define_aggregate, list_partitioned
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.history import prepare_history
from pipeline.tasks.partitioned_tiles import STAGE
from tests.tasks.nights import FIRST_DAY


def test_validated_days_have_all_their_tiles(landed: Workspace, job: Job) -> None:
    days = [(FIRST_DAY + timedelta(days=age)).isoformat() for age in range(3)]

    prepare_history(landed, job, [("readings", day) for day in days])

    feature_set = load_feature_set(job)
    partitioned = {aggregate for alike in list_partitioned(job, feature_set) for aggregate in alike}
    aggregates = [aggregate for aggregate in feature_set.aggregates if aggregate.source == "readings"]
    assert partitioned
    assert len(aggregates) > len(partitioned)
    made = {
        (name, tile.inputs["validated"])
        for tile in landed.outputs(job).find_all(STAGE)
        for name in tile.inputs["aggregates"]
    }
    for day in days:
        rows = validate_source(landed, job, job.source("readings"), day).rows
        for aggregate in aggregates:
            whole = landed.tiles.find(aggregate.name, define_aggregate(feature_set, aggregate), rows.digest)
            is_made = (aggregate.name, rows.digest) in made if aggregate in partitioned else whole is not None
            assert is_made, (aggregate.name, day)
