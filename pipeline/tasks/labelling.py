"""Labels: the outcomes of a partition's entities, as far as they were known by some later partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd
import pyarrow as pa

from features.declarations import FeatureSet
from features.rows import compute_columns
from pipeline.contracts import load_contract
from pipeline.job import Job
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.accepting import validate_source
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.tiling import read_rows
from pipeline.tasks.validating import STAGE as VALIDATE_STAGE
from pipeline.tasks.workspace import Workspace

LABEL = "label"


def find_label_sources(workspace: Workspace, job: Job, partition: str, known_by: str) -> list[Output]:
    """The validated deliveries that hold the labels of ``partition``, those after ``known_by`` left out.

    Raises:
        NotReadyError: one of them was not delivered.
        BadInputError: one of them was refused.
    """
    source = job.source(job.label.source)
    days = list_label_days(job, partition)
    return [validate_source(workspace, job, source, day).rows for day in days if day <= known_by]


def list_label_days(job: Job, partition: str) -> list[str]:
    """The partitions whose deliveries hold the labels of ``partition``, oldest first."""
    first = date.fromisoformat(partition)
    return [(first + timedelta(days=age)).isoformat() for age in range(1, job.label.closes_after + 1)]


def read_labels(workspace: Workspace, job: Job, feature_set: FeatureSet, sources: list[Output]) -> pd.DataFrame:
    """Entity ids (as string) and labels (float64); entities whose outcome is not known are not in it.

    Of an entity that was reported more than once the newest report counts.
    """
    reports = [_compute_labels(workspace, job, feature_set, rows) for rows in sources]
    if not reports:
        return pd.DataFrame({job.entity_id: pd.Series(dtype="str"), LABEL: pd.Series(dtype="float64")})
    newest = pd.concat(reports, ignore_index=True).drop_duplicates(job.entity_id, keep="last")
    return newest.dropna(subset=[LABEL]).reset_index(drop=True)


def recall_labels(workspace: Workspace, job: Job, addresses: Sequence[str]) -> pd.DataFrame:
    """What :func:`read_labels` says of the validated deliveries at ``addresses``; a replay reads each only once."""

    def read() -> pd.DataFrame:
        sources = [workspace.outputs(job).load(VALIDATE_STAGE, address) for address in addresses]
        return read_labels(workspace, job, load_feature_set(job), sources)

    return workspace.remember(("labels", job.name, *addresses), read)


def _compute_labels(workspace: Workspace, job: Job, feature_set: FeatureSet, rows: Output) -> pd.DataFrame:
    wanted = [job.entity_id, job.label.value]
    needed = feature_set.required_columns(wanted, load_contract(job.source(job.label.source)).columns)
    frame = read_rows(workspace, job, job.label.source, rows, needed)
    columns = compute_columns(frame, feature_set, wanted)
    ids = pa.array(columns[job.entity_id]).cast(pa.string()).to_pandas()
    return pd.DataFrame({job.entity_id: ids.astype("str"), LABEL: columns[job.label.value].astype("float64")})
