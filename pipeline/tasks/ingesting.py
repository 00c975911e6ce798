"""Ingest one delivery: check it against its marker, take the contract's columns, write shards."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contracts import load_contract
from pipeline.digests import digest_code
from pipeline.errors import BadInputError, SchemaRefusedError
from pipeline.job import Job, Source
from pipeline.stages.ingest import (
    SchemaMismatch,
    cast_columns,
    check_columns,
    number_rows,
    split_shards,
)
from pipeline.stages.schema_changes import NEW_IGNORED, Difference, describe_differences, list_expected
from pipeline.stores.deliveries import Delivery
from pipeline.stores.shard_files import ShardFiles
from pipeline.stores.stage_outputs import Output, OutputFile, shard_label
from pipeline.tasks.concealing import describe_exception
from pipeline.tasks.partitions import find_delivery, trailing_days
from pipeline.tasks.workspace import Workspace, environment_of
from pipeline.threads import map_ahead

STAGE = "ingest"
ROLE = "rows"
BATCH_ROWS = 262_144


def ingest_delivery(
    workspace: Workspace, job: Job, source: Source, delivery: Delivery, *, force: bool = False
) -> Output:
    """The rows of a delivery, with the contract's columns and ``_row``, in shards by key.  Streams; memory is bounded.

    Raises:
        BadInputError: the delivery is not what its marker says, is empty, cannot be read or lacks a column.
    """
    if delivery.rows == 0 and not source.may_be_empty and delivery.redaction is None:
        raise _refused(job, source, delivery, "the delivery is empty", "at least one row", "no rows")
    outputs = workspace.outputs(job)
    inputs = _list_inputs(source, delivery)
    if not force and (found := outputs.find(STAGE, inputs)) is not None:
        return found
    expected = load_contract(source).arrow_schema()
    workspace.deliveries.verify(delivery, job.name)
    differences: dict[Difference, None] = {}
    with ShardFiles(number_rows(expected.empty_table(), 0).schema, source.shards) as shard_files:
        split = partial(split_shards, key=source.key, shards=source.shards)
        for parts in map_ahead(split, _read_batches(workspace, job, source, delivery, expected, differences)):
            for shard, rows in parts:
                shard_files.append(shard_label(ROLE, shard), rows)

        def finish(label: str) -> OutputFile:
            return outputs.write_bytes(STAGE, inputs, label, *shard_files.finish(label))

        labels = [shard_label(ROLE, shard) for shard in range(source.shards)]
        files = dict(zip(labels, map_ahead(finish, labels), strict=True))
    facts = {"received": delivery.rows, "schema": [difference.to_json() for difference in differences]}
    return outputs.commit(STAGE, inputs, files, facts)


def find_ingested(workspace: Workspace, job: Job, source: Source, delivery: Delivery) -> Output | None:
    """What :func:`ingest_delivery` gives, if it was done before."""
    return workspace.outputs(job).find(STAGE, _list_inputs(source, delivery))


def warn_of_new_columns(workspace: Workspace, job: Job, source: Source, ingested: Output) -> list[str]:
    """One warning, in the first night that has them, that names the columns which the contract does not."""
    new = _new_columns(ingested)
    if not new:
        return []
    for day in trailing_days(job, ingested.inputs["partition"], job.trailing_profiles + 2)[1:]:
        delivery = find_delivery(workspace, source, day)
        earlier = None if delivery is None else find_ingested(workspace, job, source, delivery)
        if earlier is not None:
            new = [name for name in new if name not in _new_columns(earlier)]
            break
    return [f"{source.name}: new columns are ignored: {', '.join(new)}"] if new else []


def _new_columns(ingested: Output) -> list[str]:
    return [each["column"] for each in ingested.facts["schema"] if each["verdict"] == NEW_IGNORED]


def _list_inputs(source: Source, delivery: Delivery) -> dict[str, Any]:
    return {
        "source": source.name,
        "partition": delivery.partition,
        "delivery": delivery.digest,
        **({} if delivery.redaction is None else {"redaction": delivery.redaction}),
        "columns": [[field.name, str(field.type)] for field in load_contract(source).arrow_schema()],
        "schema_policy": source.schema_policy.model_dump(mode="json"),
        "key": list(source.key),
        "shards": source.shards,
        "code": digest_code("pipeline.stages.ingest", "pipeline.stages.schema_changes", "pipeline.sharding", __name__),
        "environment": environment_of(),
    }


def _read_batches(
    workspace: Workspace,
    job: Job,
    source: Source,
    delivery: Delivery,
    expected: pa.Schema,
    differences: dict[Difference, None],
) -> Iterator[pa.Table]:
    """The delivery's rows, batch by batch, as the contract's columns and ``_row``.

    Differences of the columns are added to ``differences``: a dict, which keeps each of them once and in order.
    """
    position = 0
    for file in delivery.files:
        first = position
        try:
            with workspace.lake.open(f"{delivery.folder}/{file.name}") as stream:
                parquet = pq.ParquetFile(stream)
                differences.update(dict.fromkeys(check_columns(parquet.schema_arrow, expected, source.schema_policy)))
                for batch in parquet.iter_batches(BATCH_ROWS, columns=expected.names):
                    table = cast_columns(pa.Table.from_batches([batch]), expected)
                    yield number_rows(table, position)
                    position += batch.num_rows
        except SchemaMismatch as mismatch:
            raise _refused_schema(job, source, delivery, file.name, mismatch) from mismatch
        except (pa.ArrowException, OSError) as error:
            raise _refused(
                job, source, delivery, f"{file.name} cannot be read", "a whole Parquet file", describe_exception(error)
            ) from error
        if position - first != file.rows:
            raise _refused(
                job,
                source,
                delivery,
                f"{file.name} does not have the rows that the marker says",
                f"{file.rows} rows",
                f"{position - first} rows",
            )


def _refused_schema(
    job: Job, source: Source, delivery: Delivery, file: str, mismatch: SchemaMismatch
) -> SchemaRefusedError:
    return SchemaRefusedError(
        f"{file} does not have the columns of the contract (source {source.name}, delivery {delivery.digest[:12]})",
        job=job.name,
        partition=delivery.partition,
        expected=list_expected(mismatch.differences),
        found=describe_differences(mismatch.differences),
        next_step="agree on it with upstream: have the partition landed with the contract's columns, or change the "
        "contract or the source's schema_policy; the predictions that are live go on being served",
        differences=[difference.to_json() for difference in mismatch.differences],
    )


def _refused(job: Job, source: Source, delivery: Delivery, problem: str, expected: str, found: str) -> BadInputError:
    return BadInputError(
        f"{problem} (source {source.name}, delivery {delivery.digest[:12]})",
        job=job.name,
        partition=delivery.partition,
        expected=expected,
        found=found,
        next_step="ask upstream to land the partition again; the predictions that are live go on being served",
    )
