"""The night: ingest, validate, build features, score, publish.

Each stage takes the summary of the one before and returns its own; summaries are small JSON objects whose ``output``
is the address of the result in the lake.  ``run`` names the attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from pipeline.digests import digest_code
from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.stages.score import score_rows
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.stage_outputs import Output, shard_label
from pipeline.tasks.accepting import Validated, check_accepted, examine_delivery
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.feature_building import (
    build_partition,
    collect_inputs,
    history_of,
    load_feature_set,
    read_features,
)
from pipeline.tasks.history import prepare_history
from pipeline.tasks.ingesting import ingest_delivery
from pipeline.tasks.night_inputs import load_night, pin_night
from pipeline.tasks.partitions import check_closed, require_delivery
from pipeline.tasks.releasing import publish_release
from pipeline.tasks.runs import Summary, record_stage
from pipeline.tasks.validation_docs import write_docs
from pipeline.tasks.workspace import Workspace, environment_of

SCORE_STAGE = "score"
SCORES = "scores"
SCORE_SCHEMA = pa.schema([pa.field("entity_id", pa.string()), pa.field("prediction", pa.float64())])


def ingest(workspace: Workspace, job: Job, partition: str, run: str, *, force: bool = False) -> Summary:
    """Choose the delivery of every source, once for the whole run, and ingest it.

    Raises:
        NotReadyError: the partition is open, or a source was not delivered.
        BadInputError: a delivery is damaged, empty or has the wrong columns.
    """

    def work() -> Summary:
        check_closed(job, date.fromisoformat(partition), workspace.clock())
        deliveries, rows = {}, {}
        for source in job.sources:
            delivery = require_delivery(workspace, job, source, partition)
            ingested = ingest_delivery(workspace, job, source, delivery, force=force)
            deliveries[source.name] = {"partition": delivery.partition, "digest": delivery.digest}
            rows[source.name] = ingested.facts["received"]
        return {"deliveries": deliveries, "rows": sum(rows.values()), "sources": rows}

    return record_stage(workspace, job, partition, run, "ingest", work)


def validate(
    workspace: Workspace, job: Job, partition: str, run: str, ingested: Summary, *, force: bool = False
) -> Summary:
    """Validate every source of the partition, and what earlier partitions the trailing windows need.

    Raises:
        BadInputError: a delivery was refused; nothing is lost, what it held is in the quarantine.
    """

    def work() -> Summary:
        feature_set = load_feature_set(job)
        own = {}
        for source in job.sources:
            delivery = workspace.deliveries.get(source.name, **ingested["deliveries"][source.name])
            own[source.name] = examine_delivery(workspace, job, source, delivery, force=force)
        refusals = _find_refusals(job, own)
        docs = write_docs(workspace, job, partition, own, refusals)
        for refusal in refusals.values():
            raise refusal
        prepare_history(workspace, job, history_of(job, feature_set, partition))
        inputs_of = collect_inputs(workspace, job, feature_set, partition, own)
        night = pin_night(workspace.outputs(job), partition, own, inputs_of)
        sources = {
            name: {key: source.rows.facts[key] for key in ("received", "quarantined", "reasons")}
            for name, source in own.items()
        }
        warnings = [
            f"{name}: {warning}"
            for name, source in own.items()
            if source.judgement is not None
            for warning in source.judgement.facts["verdict"]["warnings"]
        ]
        rows = sum(counts["received"] - counts["quarantined"] for counts in sources.values())
        return {"output": night.address, "rows": rows, "sources": sources, "warnings": warnings, "docs": docs}

    return record_stage(workspace, job, partition, run, "validate", work)


def build_features(
    workspace: Workspace, job: Job, partition: str, run: str, validated: Summary, *, force: bool = False
) -> Summary:
    """Build the features of the population.

    Raises:
        BadInputError: a feature is infinite, or cannot be computed from the rows.
    """

    def work() -> Summary:
        _, inputs_of = load_night(workspace.outputs(job), job, validated["output"])
        built = build_partition(workspace, job, load_feature_set(job), inputs_of, force=force)
        return {"output": built.address, "night": validated["output"], **built.facts}

    return record_stage(workspace, job, partition, run, "build_features", work)


def score(workspace: Workspace, job: Job, partition: str, run: str, built: Summary, *, force: bool = False) -> Summary:
    """Score the features with the champion of the partition, which is resolved here, once.

    Raises:
        NotReadyError: no model is champion for the partition.
        DamagedError: the model's file is not the one that was registered.
        RefusedError: the model was trained on other features.
        BadInputError: a score is not finite or out of range; nothing is published.
    """

    def work() -> Summary:
        features = workspace.outputs(job).load(BUILD_STAGE, built["output"])
        champion = workspace.ledger(job).require_champion(partition)
        scored = score_features(workspace, job, features, champion, force=force)
        return {
            "output": scored.address,
            "night": built["night"],
            "model_version": champion.version,
            "rows": scored.facts["rows"],
        }

    return record_stage(workspace, job, partition, run, "score", work)


def publish(workspace: Workspace, job: Job, partition: str, run: str, scored: Summary) -> Summary:
    """Load a new generation, read all of it back, and make it live unless a newer partition is.

    Raises:
        RefusedError: another run published in between; what is live stays live.
        UnavailableError: Redis is down, read-only or full; what is live stays live.
        DamagedError: the rows do not add up.
    """

    def work() -> Summary:
        outputs = workspace.outputs(job)
        own, _ = load_night(outputs, job, scored["night"])
        return publish_release(workspace, job, partition, run, own, outputs.load(SCORE_STAGE, scored["output"]))

    return record_stage(workspace, job, partition, run, "publish", work)


def _find_refusals(job: Job, own: Mapping[str, Validated]) -> dict[str, BadInputError]:
    """Why sources are refused, by name."""
    refusals = {}
    for source in job.sources:
        try:
            check_accepted(job, source, own[source.name])
        except BadInputError as error:
            refusals[source.name] = error
    return refusals


def score_features(
    workspace: Workspace, job: Job, features: Output, version: ModelVersion, *, force: bool = False
) -> Output:
    """Score every shard of a partition's features with one model."""
    feature_set = load_feature_set(job)
    models = workspace.models(job)
    inputs = {
        "features": features.digest,
        "model_version": version.version,
        "model_digest": version.registration.model_digest,
        "model_code": models.read_metadata(version).code,
        "feature_set": feature_set.digest,
        "decimals": job.decimals,
        "score_range": list(job.score_range),
        "task": job.task,
        "code": digest_code("pipeline.stages.score", "pipeline.stages.matrix", __name__),
        "environment": environment_of("scikit-learn", "scipy"),
    }
    outputs = workspace.outputs(job)
    partition = features.inputs["partition"]
    if not force and (found := outputs.find(SCORE_STAGE, inputs)) is not None:
        return found
    model = models.load(version)
    files = {}
    for shard, label in enumerate(features.shards(FEATURES)):
        frame = read_features(workspace, job, features, label)
        scores = score_rows(model, frame, job, feature_set_digest=feature_set.digest, partition=partition)
        table = pa.table([pa.array(frame[job.entity_id]), pa.array(scores)], schema=SCORE_SCHEMA)
        name = shard_label(SCORES, shard)
        files[name] = outputs.write(SCORE_STAGE, inputs, name, table)
    return outputs.commit(SCORE_STAGE, inputs, files, {"rows": sum(file.rows for file in files.values())})
