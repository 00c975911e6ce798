"""History: validate earlier deliveries and cut them into tiles, many at once, before they are used one by one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from pipeline.errors import BadInputError, NotReadyError
from pipeline.job import Job
from pipeline.tasks.accepting import is_examined, validate_source
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.parallel import run_parallel
from pipeline.tasks.partitioned_tiles import partition_tiles
from pipeline.tasks.partitions import find_delivery
from pipeline.tasks.tiling import make_missing_tiles
from pipeline.tasks.workspace import Workspace

SourceDay = tuple[str, str]
"""Name of a source, and a partition of it."""


def prepare_history(workspace: Workspace, job: Job, wanted: Sequence[SourceDay]) -> None:
    """Validate the wanted deliveries over all processes, so that whoever takes them finds it done.

    Their tiles are made in the same go: days that share their history would each make all of them.
    A delivery that is missing or refused is passed over here: whoever takes it gets the error, and knows what for.
    """
    missing = [item for item in wanted if _is_missing(workspace, job, *item)]
    if missing:
        run_parallel(workspace, partial(_validate, job=job), missing)


def _is_missing(workspace: Workspace, job: Job, name: str, day: str) -> bool:
    source = job.source(name)
    delivery = find_delivery(workspace, source, day)
    return delivery is not None and not is_examined(workspace, job, source, delivery)


def _validate(workspace: Workspace, wanted: list[SourceDay], *, job: Job) -> list[None]:
    feature_set = load_feature_set(job)
    for name, day in wanted:
        with suppress(BadInputError, NotReadyError):
            rows = validate_source(workspace, job, job.source(name), day).rows
            make_missing_tiles(workspace, job, feature_set, rows)
            partition_tiles(workspace, job, feature_set, rows)
    return [None] * len(wanted)
