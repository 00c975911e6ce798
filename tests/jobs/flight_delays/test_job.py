"""The flight job's declaration: everything it names exists, and its cutoff is 04:00 in New York."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from features.declarations import FeatureSet
from pipeline.contracts import load_contract
from pipeline.job import Role, import_attribute
from pipeline.jobs.flight_delays.job import JOB


@pytest.mark.parametrize(
    ("partition", "cutoff"),
    [
        (date(2013, 1, 1), datetime(2013, 1, 2, 9, tzinfo=UTC)),
        (date(2013, 4, 1), datetime(2013, 4, 2, 8, tzinfo=UTC)),
        (date(2013, 11, 2), datetime(2013, 11, 3, 9, tzinfo=UTC)),
    ],
)
def test_a_partition_closes_at_four_in_the_morning_in_new_york(partition: date, cutoff: datetime) -> None:
    assert JOB.cutoff(partition) == cutoff


def test_everything_it_names_exists() -> None:
    for source in JOB.sources:
        load_contract(source)
    assert isinstance(import_attribute(JOB.feature_set), FeatureSet)
    assert callable(import_attribute(JOB.model))
    assert import_attribute(str(JOB.upstream)).sources == tuple(source.name for source in JOB.sources)


def test_every_source_of_a_night_is_judged_as_a_batch() -> None:
    judged = {source.name for source in JOB.sources if source.suite}
    assert judged >= {source.name for source in JOB.sources if source.role is not Role.DIMENSION}
