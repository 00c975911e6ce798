"""Measure one delivery: the relations that its source declares, over its valid rows and those of other deliveries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.contracts import load_contract
from pipeline.digests import digest_code, digest_declared_code
from pipeline.errors import BadInputError
from pipeline.job import Job, Source
from pipeline.measures import AGE, Measure, Reference, load_measures
from pipeline.stages.measure import keep_together, sample_divisor
from pipeline.stages.validate import frame_from_arrow
from pipeline.stores.deliveries import Delivery
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.partitions import find_delivery
from pipeline.tasks.validating import VALID, check_rows
from pipeline.tasks.workspace import Workspace

References = Mapping[Reference, Mapping[int, Output]]
"""The validated deliveries of every reference, by age."""


def take_references(
    workspace: Workspace,
    job: Job,
    source: Source,
    delivery: Delivery,
    take: Callable[[Source, Delivery], Output | None],
) -> dict[Reference, dict[int, Output]]:
    """What the measures of ``source`` compare ``delivery`` with, as far as it is there.

    One whose rows were refused says nothing of what is usual.
    """
    references: dict[Reference, dict[int, Output]] = {}
    for reference in dict.fromkeys(item.reference for item in load_measures(source)):
        if reference is None:
            continue
        other = job.source(reference.source)
        references[reference] = {}
        for age in reference.ages:
            day = date.fromisoformat(delivery.partition) - timedelta(days=age)
            earlier = find_delivery(workspace, other, day.isoformat()) if day >= job.first_partition else None
            if earlier is None:
                continue
            with suppress(BadInputError):
                rows = take(other, earlier)
                if rows is not None:
                    check_rows(job, other, earlier.partition, rows)
                    references[reference][age] = rows
    return references


def list_measure_inputs(source: Source, references: References) -> dict[str, Any] | None:
    """What measuring depends on beside the delivery's own rows; None for a source without measures."""
    if source.measures is None:
        return None
    return {
        "declared": [source.measures, digest_declared_code(source.measures.partition(":")[0])],
        "references": [
            [reference.source, [[age, rows.digest] for age, rows in days.items()]]
            for reference, days in references.items()
        ],
        "code": digest_code("pipeline.measures", "pipeline.stages.measure", __name__),
    }


def take_measures(
    workspace: Workspace, job: Job, source: Source, delivery: Delivery, rows: Output, references: References
) -> tuple[dict[str, float], list[str]]:
    """The delivery's measures by column of the profile table, and the columns that could not be measured.

    A measure whose reference is not there, as on a job's first nights, cannot be.
    """
    measured, unmeasured = {}, []
    read = _Reader(workspace, job)
    for item in load_measures(source):
        days = {} if item.reference is None else references[item.reference]
        if item.reference is not None and len(days) < item.reference.least:
            unmeasured.append(item.column)
            continue
        other = source.name if item.reference is None else item.reference.source
        divisor = sample_divisor(max(part.rows[VALID] for part in (rows, *days.values())))
        own = read(source.name, {0: rows}, item, divisor)
        reference = read(other, days, item, divisor) if days else own.iloc[:0]
        measured[item.column] = item.compute(own, reference, date.fromisoformat(delivery.partition))
    return measured, unmeasured


class _Reader:
    """Reads validated deliveries, each set of them once while they are small enough to be measured whole."""

    def __init__(self, workspace: Workspace, job: Job) -> None:
        self._outputs = workspace.outputs(job)
        self._job = job
        self._read: dict[tuple[Any, ...], pd.DataFrame] = {}

    def __call__(self, source: str, days: Mapping[int, Output], measure: Measure, divisor: int) -> pd.DataFrame:
        """Valid rows in the contract's dtypes, with their age in ``_age``."""
        ages = tuple((age, rows.digest) for age, rows in days.items())
        name = (source, ages, divisor, measure.together if divisor > 1 else ())
        if name not in self._read:
            tables = [
                (age, keep_together(self._outputs.read(rows, label), measure.together, divisor))
                for age, rows in days.items()
                for label in rows.shards(VALID)
            ]
            contract = load_contract(self._job.source(source))
            frame = frame_from_arrow(pa.concat_tables(table for _, table in tables), contract)
            aged = np.repeat([age for age, _ in tables], [table.num_rows for _, table in tables])
            self._read[name] = frame.astype(contract.dtypes).assign(**{AGE: aged})
        return self._read[name]
