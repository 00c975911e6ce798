"""Judge the batch of one delivery: its suite, over the valid rows and over their profile beside the trailing ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pyarrow as pa

from pipeline.contracts import load_contract, load_suite
from pipeline.digests import digest_code, digest_declared_code
from pipeline.errors import BadInputError
from pipeline.job import Job, Source
from pipeline.stages.judge_batch import (
    BatchVerdict,
    are_enough,
    check_verdict,
    choose_candidates,
    judge_batch,
    take_sample,
)
from pipeline.stages.profile import profile_table
from pipeline.stages.validate import frame_from_arrow
from pipeline.stores.deliveries import Delivery
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.measuring import References, list_measure_inputs, take_measures, take_references
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.partitions import find_delivery, trailing_days
from pipeline.tasks.validating import PROFILE_CODE, VALID, check_rows, find_validated, read_profile, validate_delivery
from pipeline.tasks.workspace import Workspace, environment_of

STAGE = "judge"


def judge_delivery(
    workspace: Workspace,
    job: Job,
    source: Source,
    delivery: Delivery,
    rows: Output,
    candidates: pa.Table | None = None,
    *,
    force: bool = False,
) -> Output | None:
    """Hold the source's suite against the validated batch and against its profile beside the trailing ones.

    Args:
        candidates: valid rows that it may be judged by, as of :func:`pipeline.tasks.validating.validate_deliveries`;
            if there are none, or too few, the valid rows are read again.
    """
    if source.suite is None:
        return None
    outputs = workspace.outputs(job)
    trailing = _take_trailing(job, source, delivery, partial(validate_delivery, workspace, job, source), workspace)
    references = take_references(workspace, job, source, delivery, partial(validate_delivery, workspace, job))
    inputs = _list_inputs(source, delivery, rows, trailing, references)
    if not force and (found := outputs.find(STAGE, inputs)) is not None:
        return found
    suite = load_suite(source, len(trailing))
    if suite is None:
        return None
    valid = rows.facts["received"] - rows.facts["quarantined"]
    if candidates is None or not are_enough(candidates, valid):
        work = partial(_read_candidates, job=job, rows=rows, whole=valid)
        candidates = pa.concat_tables(run_shards(workspace, work, rows.shards(VALID), rows=valid))
    sample = take_sample(frame_from_arrow(candidates, load_contract(source)))
    table = profile_table(
        read_profile(outputs, rows), [read_profile(outputs, earlier) for earlier in trailing], suite.profile_columns
    )
    measured, unmeasured = take_measures(workspace, job, source, delivery, rows, references)
    suite = suite.without(unmeasured)
    verdict = judge_batch(suite, sample, valid, table.assign(**measured), may_be_empty=source.may_be_empty)
    facts = {"suite": suite.digest, "verdict": verdict.to_json(), "unmeasured": unmeasured}
    return outputs.commit(STAGE, inputs, {}, facts)


def _read_candidates(workspace: Workspace, label: str, *, job: Job, rows: Output, whole: int) -> pa.Table:
    return choose_candidates(workspace.outputs(job).read(rows, label), whole)


def find_judgement(workspace: Workspace, job: Job, source: Source, delivery: Delivery, rows: Output) -> Output | None:
    """What :func:`judge_delivery` gives for a source with a suite, if it was done before."""
    trailing = _take_trailing(job, source, delivery, partial(find_validated, workspace, job, source), workspace)
    references = take_references(workspace, job, source, delivery, partial(find_validated, workspace, job))
    return workspace.outputs(job).find(STAGE, _list_inputs(source, delivery, rows, trailing, references))


def check_judgement(job: Job, source: Source, partition: str, judgement: Output) -> None:
    """Refuse a delivery whose batch broke its suite.

    Raises:
        BadInputError: naming every failure that blocks.
    """
    verdict = BatchVerdict.from_json(judgement.facts["verdict"])
    check_verdict(verdict, job=job.name, partition=partition, source=source.name)


def _take_trailing(
    job: Job, source: Source, delivery: Delivery, take: Callable[[Delivery], Output | None], workspace: Workspace
) -> list[Output]:
    """The earlier deliveries that the batch is compared with, newest first.

    One that was refused itself says nothing of a usual night, and must not stop those after it.
    """
    trailing = []
    for day in trailing_days(job, delivery.partition, job.trailing_profiles + 1)[1:]:
        earlier = find_delivery(workspace, source, day)
        if earlier is None:
            continue
        with suppress(BadInputError):
            rows = take(earlier)
            if rows is not None:
                check_rows(job, source, day, rows)
                trailing.append(rows)
    return trailing


def _list_inputs(
    source: Source, delivery: Delivery, rows: Output, trailing: list[Output], references: References
) -> dict[str, Any]:
    return {
        "source": source.name,
        "partition": delivery.partition,
        "validated": rows.digest,
        "trailing": [output.digest for output in trailing],
        "suite": [source.suite, digest_declared_code(str(source.suite).partition(":")[0])],
        "measures": list_measure_inputs(source, references),
        "may_be_empty": source.may_be_empty,
        "code": digest_code(
            "pipeline.contracts", "pipeline.expectations", "pipeline.stages.judge_batch", *PROFILE_CODE, __name__
        ),
        "environment": environment_of("great-expectations"),
    }
