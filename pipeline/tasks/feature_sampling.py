"""Samples of features: some rows of one partition or of many, of which a shard at a time is in memory."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from pipeline.job import Job
from pipeline.stages.sample import choose_rows
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.workspace import Workspace

_PARTITION = "__partition"


def sample_features(workspace: Workspace, job: Job, partitions: Iterable[Output], most: int) -> pa.Table:
    """At most ``most`` rows of the features of all these partitions together, as built, with their partitions.

    Raises:
        DamagedError: the lake has lost some of them.
    """
    outputs = workspace.outputs(job)
    kept: list[pa.Table] = []
    for built in partitions:
        for label in built.shards(FEATURES):
            rows = outputs.read(built, label)
            names = pa.array([built.inputs["partition"]] * rows.num_rows, pa.string())
            kept = [keep_rows(job, pa.concat_tables([*kept, rows.append_column(_PARTITION, names)]), most)]
    return kept[0]


def keep_rows(job: Job, sample: pa.Table, most: int) -> pa.Table:
    """At most ``most`` rows of a sample: those that would have been chosen at once."""
    ids, partitions = (sample[name].to_pandas() for name in (job.entity_id, _PARTITION))
    return sample.take(pa.array(choose_rows(ids, partitions, most)))


def drop_partitions(sample: pa.Table) -> pa.Table:
    """The rows of a sample as they were built: the entity id, then the feature columns."""
    return sample.drop_columns(_PARTITION)
