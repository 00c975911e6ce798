"""Samples of features hold the rows that would be chosen of all of them, and no more at a time than a shard beside."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from pipeline.job import Job
from pipeline.stages.sample import choose_rows
from pipeline.stores.stage_outputs import StageOutputs
from pipeline.tasks import Workspace, feature_sampling
from pipeline.tasks.feature_building import ROLE, STAGE
from pipeline.tasks.feature_sampling import drop_partitions, sample_features

MOST = 20


def test_it_is_the_sample_of_all_partitions_at_once(trained: Workspace, job: Job) -> None:
    outputs = trained.outputs(job)
    built = sorted(outputs.find_all(STAGE), key=lambda output: str(output.inputs["partition"]))
    days = [outputs.read_all(output, ROLE) for output in built]
    rows = pa.concat_tables(days)
    partitions = pd.Series([output.inputs["partition"] for output in built], dtype="str")
    partitions = partitions.repeat([day.num_rows for day in days]).reset_index(drop=True)
    chosen = choose_rows(rows[job.entity_id].to_pandas(), partitions, MOST)
    assert drop_partitions(sample_features(trained, job, built, MOST)).equals(rows.take(pa.array(chosen)))


def test_no_more_than_a_shard_is_held_beside_it(trained: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    held, largest = list[int](), list[int]()
    read = StageOutputs.read

    def notice_rows(ids: pd.Series, *others: object) -> object:
        held.append(len(ids))
        return choose_rows(ids, *others)  # type: ignore[arg-type]

    def notice_shard(*arguments: object) -> pa.Table:
        table = read(*arguments)  # type: ignore[arg-type]
        largest.append(table.num_rows)
        return table

    monkeypatch.setattr(feature_sampling, "choose_rows", notice_rows)
    monkeypatch.setattr(StageOutputs, "read", notice_shard)
    sample_features(trained, job, trained.outputs(job).find_all(STAGE), MOST)
    assert len(largest) > MOST / 2
    assert max(held) <= max(largest) + MOST
