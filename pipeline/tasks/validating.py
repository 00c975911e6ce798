"""Validate the rows of deliveries: a verdict for each, quarantine for the refused, a profile of the valid."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts import POSITION, REASONS, Contract, load_contract
from pipeline.digests import canonical_json, digest_code
from pipeline.expectations import import_ahead
from pipeline.job import Job, Role, Source
from pipeline.stages.judge_batch import choose_candidates
from pipeline.stages.profile import Profile, merge_profiles, profile_frame, profiled_columns
from pipeline.stages.validate import check_quarantine_share, count_reasons, frame_from_arrow, judge_rows
from pipeline.stores.deliveries import Delivery
from pipeline.stores.parquet import decode_parquet
from pipeline.stores.stage_outputs import Output, OutputFile, StageOutputs, shard_label
from pipeline.tasks.ingesting import ROLE as INGESTED
from pipeline.tasks.ingesting import find_ingested, ingest_delivery
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.workspace import Workspace, environment_of

STAGE = "validate"
VALID = "valid"
QUARANTINED = "quarantined"
PROFILE = "profile-0000"
REASONS_FIELD = pa.field(REASONS, pa.list_(pa.string()))
PROFILE_CODE = ("pipeline.stages.profile", "pipeline.stages.column_profiles", "pipeline.stages.exact_sums")


def validate_delivery(
    workspace: Workspace, job: Job, source: Source, delivery: Delivery, *, force: bool = False
) -> Output:
    """Divide a delivery's rows into valid and quarantined ones, shard by shard, and profile the valid ones."""
    return validate_deliveries(workspace, job, {source.name: delivery}, force=force)[source.name].rows


@dataclass(frozen=True)
class Divided:
    """A delivery whose rows were validated.

    Attributes:
        rows: output with valid and quarantined rows and the profile of the valid ones.
        candidates: valid rows that the delivery's batch may be judged by, kept in the pass that validates: None if
            that was done before, or if the source has no suite.
    """

    rows: Output
    candidates: pa.Table | None


def validate_deliveries(
    workspace: Workspace, job: Job, deliveries: Mapping[str, Delivery], *, force: bool = False
) -> dict[str, Divided]:
    """Like :func:`validate_delivery`, of several sources, whose shards are worked on together.

    Args:
        deliveries: by name of their source.
    """
    outputs = workspace.outputs(job)
    done: dict[str, Divided] = {}
    shards: list[_Shard] = []
    received = 0
    for name, delivery in deliveries.items():
        source = job.source(name)
        ingested = ingest_delivery(workspace, job, source, delivery, force=force)
        inputs = _list_inputs(job, source, delivery, ingested)
        if not force and (found := outputs.find(STAGE, inputs)) is not None:
            done[name] = Divided(found, None)
            continue
        received += ingested.facts["received"]
        shards += [_Shard(source, ingested, inputs, *shard) for shard in enumerate(ingested.shards(INGESTED))]
    if any(shard.source.suite is not None for shard in shards):
        import_ahead()  # for the verdicts on batches, which come next
    validated = run_shards(workspace, partial(_validate_shard, job=job), shards, rows=received)
    pairs = list(zip(shards, validated, strict=True))
    for name in deliveries:
        if name not in done:
            done[name] = _commit(outputs, [pair for pair in pairs if pair[0].source.name == name])
    return {name: done[name] for name in deliveries}


@dataclass(frozen=True)
class _Shard:
    """One shard of what was ingested of a source, and what its output is made of."""

    source: Source
    ingested: Output
    inputs: Mapping[str, Any]
    number: int
    label: str


@dataclass(frozen=True)
class _ValidatedShard:
    """One shard, its rows divided.

    Attributes:
        files: of its valid and of its quarantined rows, by label.
        profile: of the valid rows.
        reasons: quarantined rows by reason.
        candidates: valid rows that may be among those that the batch is judged by; None if it is not judged.
    """

    files: dict[str, OutputFile]
    profile: Profile
    reasons: Counter[str]
    candidates: pa.Table | None


def _validate_shard(workspace: Workspace, shard: _Shard, *, job: Job) -> _ValidatedShard:
    source, ingested, inputs = shard.source, shard.ingested, shard.inputs
    outputs = workspace.outputs(job)
    contract = load_contract(source)
    content = outputs.read_bytes(ingested, shard.label)
    rows = decode_parquet(content, is_checked=True)
    verdict = judge_rows(
        frame_from_arrow(rows, contract),
        contract,
        key=source.key,
        event_time=source.event_time,
        cutoff=job.cutoff(date.fromisoformat(ingested.inputs["partition"])),
        entity_id=job.entity_id if source.role is Role.POPULATION else None,
    )
    valid, quarantined = shard_label(VALID, shard.number), shard_label(QUARANTINED, shard.number)
    refused = _table_of(verdict.quarantined, _row_schema(contract).append(REASONS_FIELD))
    if verdict.refused.any():
        rows = rows.filter(~verdict.refused)
        files = {valid: outputs.write(STAGE, inputs, valid, rows)}
    else:
        files = {valid: outputs.write_same(STAGE, inputs, valid, content, ingested, shard.label)}
    files[quarantined] = outputs.write(STAGE, inputs, quarantined, refused)
    profile = profile_frame(verdict.valid, profiled_columns(contract, source.key))
    candidates = None if source.suite is None else choose_candidates(rows, ingested.facts["received"])
    return _ValidatedShard(files, profile, Counter(count_reasons(verdict.quarantined)), candidates)


def _commit(outputs: StageOutputs, shards: Sequence[tuple[_Shard, _ValidatedShard]]) -> Divided:
    """The output of all shards of one source."""
    ingested, inputs = shards[0][0].ingested, shards[0][0].inputs
    validated = [each for _, each in shards]
    files = {label: file for each in validated for label, file in each.files.items()}
    profile = canonical_json(merge_profiles([each.profile for each in validated]).to_json()).encode()
    files[PROFILE] = outputs.write_bytes(STAGE, inputs, PROFILE, profile, len(validated), suffix="json")
    quarantined = sum(file.rows for label, file in files.items() if label.startswith(QUARANTINED))
    reasons = dict(sorted(sum((each.reasons for each in validated), Counter[str]()).items()))
    facts = {"received": ingested.facts["received"], "quarantined": quarantined, "reasons": reasons}
    candidates = [each.candidates for each in validated if each.candidates is not None]
    rows = outputs.commit(STAGE, inputs, files, facts)
    return Divided(rows, pa.concat_tables(candidates) if candidates else None)


def find_validated(workspace: Workspace, job: Job, source: Source, delivery: Delivery) -> Output | None:
    """What :func:`validate_delivery` gives, if it was done before."""
    ingested = find_ingested(workspace, job, source, delivery)
    if ingested is None:
        return None
    return workspace.outputs(job).find(STAGE, _list_inputs(job, source, delivery, ingested))


def check_rows(job: Job, source: Source, partition: str, rows: Output) -> None:
    """Refuse a delivery of which more rows were quarantined than the source allows.

    Raises:
        BadInputError: naming the reasons with their counts, never values.
    """
    check_quarantine_share(
        rows.facts["received"],
        rows.facts["quarantined"],
        source.max_quarantined,
        job=job.name,
        partition=partition,
        source=source.name,
        reasons=rows.facts["reasons"],
    )


def read_profile(outputs: StageOutputs, rows: Output) -> Profile:
    """The profile of a validated delivery."""
    return Profile.from_json(json.loads(outputs.read_bytes(rows, PROFILE)))


def _table_of(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    return pa.table([_to_arrow(rows[field.name], field.type) for field in schema], schema=schema)


def _to_arrow(values: pd.Series, kind: pa.DataType) -> pa.Array:
    """``values`` as ``kind``.  Moments go by way of UTC without a zone, for what pyarrow does itself is deprecated."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return pc.assume_timezone(pa.array(values.dt.tz_convert(None).to_numpy()), "UTC").cast(kind)
    return pa.array(values, kind)


def _row_schema(contract: Contract) -> pa.Schema:
    return contract.arrow_schema().append(pa.field(POSITION, pa.int64()))


def _list_inputs(job: Job, source: Source, delivery: Delivery, ingested: Output) -> dict[str, Any]:
    cutoff = job.cutoff(date.fromisoformat(delivery.partition))
    return {
        "source": source.name,
        "ingested": ingested.digest,
        "contract": load_contract(source).digest,
        "key": list(source.key),
        "event_time": source.event_time,
        "cutoff": cutoff.isoformat() if source.event_time else None,
        "entity_id": source.role is Role.POPULATION,
        "code": digest_code(
            "pipeline.contracts", "pipeline.stages.validate", "pipeline.stages.row_checks", *PROFILE_CODE, __name__
        ),
        "environment": environment_of("pandera"),
    }
