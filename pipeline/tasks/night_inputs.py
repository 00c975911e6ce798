"""What a night works from, pinned: the validated deliveries of its own and of its trailing windows.

The stages after validation read the pin and never look for deliveries again, so that a re-delivery in the middle of a
run cannot mix two states of upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.job import Job
from pipeline.stores.acceptances import Acceptance
from pipeline.stores.stage_outputs import Output, StageOutputs
from pipeline.tasks.accepting import Validated
from pipeline.tasks.feature_building import FeatureInputs
from pipeline.tasks.judging import STAGE as JUDGE_STAGE
from pipeline.tasks.partitions import trailing_days
from pipeline.tasks.validating import STAGE, find_validated
from pipeline.tasks.workspace import Workspace

PIN_STAGE = "night_inputs"


@dataclass(frozen=True)
class SourceOfNight:
    """One source of a pinned night.

    Attributes:
        delivery: partition and digest of the delivery.
        rows: its validation.
        judgement: the verdict on the batch; None for a source without a suite.
    """

    delivery: Mapping[str, str]
    rows: Output
    judgement: Output | None


def pin_night(
    workspace: Workspace, job: Job, partition: str, own: Mapping[str, Validated], inputs_of: FeatureInputs
) -> Output:
    """Write down what the night works from."""
    pinned: dict[str, Any] = {
        "partition": partition,
        "own": {name: _describe(source) for name, source in own.items()},
        "dimensions": sorted(inputs_of.dimensions),
        "trailing": {name: [rows and rows.address for rows in days] for name, days in inputs_of.trailing.items()},
        "trailing_digests": {
            name: [rows and rows.digest for rows in days] for name, days in inputs_of.trailing.items()
        },
        "trailing_deliveries": {
            name: _trace_deliveries(workspace, job, name, partition, days) for name, days in inputs_of.trailing.items()
        },
        "acceptances": [acceptance.to_json() for acceptance in inputs_of.acceptances],
    }
    return workspace.outputs(job).commit(PIN_STAGE, pinned, {}, {})


def load_night(outputs: StageOutputs, job: Job, address: str) -> tuple[dict[str, SourceOfNight], FeatureInputs]:
    """Read back what :func:`pin_night` wrote."""
    pinned = outputs.load(PIN_STAGE, address).inputs
    own = {
        name: SourceOfNight(
            delivery=source["delivery"],
            rows=outputs.load(STAGE, source["rows"]),
            judgement=None if source["judgement"] is None else outputs.load(JUDGE_STAGE, source["judgement"]),
        )
        for name, source in pinned["own"].items()
    }
    inputs_of = FeatureInputs(
        partition=pinned["partition"],
        population=own[job.population.name].rows,
        dimensions={name: own[name].rows for name in pinned["dimensions"]},
        trailing={
            name: [rows and outputs.load(STAGE, rows) for rows in addresses]
            for name, addresses in pinned["trailing"].items()
        },
        acceptances=tuple(Acceptance.model_validate(acceptance) for acceptance in pinned["acceptances"]),
    )
    return own, inputs_of


def _trace_deliveries(
    workspace: Workspace, job: Job, name: str, partition: str, days: list[Output | None]
) -> list[dict[str, str]]:
    """Partition and digest of the deliveries behind validated ones of a trailing window, newest first."""
    source = job.source(name)
    wanted = {rows.address for rows in days if rows is not None}
    traced = []
    for day in trailing_days(job, partition, len(days)):
        for delivery in workspace.deliveries.all_of(name, day):
            rows = find_validated(workspace, job, source, delivery)
            if rows is not None and rows.address in wanted:
                traced.append({"partition": day, "digest": delivery.digest})
    return traced


def _describe(source: Validated) -> dict[str, Any]:
    return {
        "delivery": {"partition": source.delivery.partition, "digest": source.delivery.digest},
        "rows": source.rows.address,
        "rows_digest": source.rows.digest,
        "judgement": None if source.judgement is None else source.judgement.address,
        "judgement_digest": None if source.judgement is None else source.judgement.digest,
    }
