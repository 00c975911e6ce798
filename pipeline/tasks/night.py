"""The night: ingest, validate, build features, score, publish.

Each stage takes the summary of the one before and returns its own; summaries are small JSON objects whose ``output``
is the address of the result in the lake.  ``run`` names the attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pipeline.errors import BadInputError, NotReadyError, SchemaRefusedError
from pipeline.job import Job, Source
from pipeline.keyspace import Basis
from pipeline.stores.deliveries import Delivery
from pipeline.tasks.accepting import Validated, check_accepted, examine_deliveries
from pipeline.tasks.approving import approve_release
from pipeline.tasks.basis import find_known_by, follow_basis
from pipeline.tasks.candidates import find_candidate
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.feature_building import build_partition, collect_inputs, history_of
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.history import prepare_history
from pipeline.tasks.ingesting import ingest_delivery, warn_of_new_columns
from pipeline.tasks.manifests import AS_CORRECTED
from pipeline.tasks.monitoring.scoring_pass import score_and_profile
from pipeline.tasks.night_inputs import load_night, pin_night
from pipeline.tasks.partitions import check_closed, require_delivery
from pipeline.tasks.reasons import explain_highest
from pipeline.tasks.redeliveries import warn_of_redeliveries
from pipeline.tasks.releasing import publish_release
from pipeline.tasks.runs import Summary, record_stage
from pipeline.tasks.scoring import ModelLoader
from pipeline.tasks.validation_docs import write_docs, write_schema_refusal
from pipeline.tasks.workspace import Workspace


def ingest(
    workspace: Workspace, job: Job, partition: str, run: str, *, basis: Basis = AS_CORRECTED, force: bool = False
) -> Summary:
    """Choose the delivery of every source, once for the whole run, and ingest it.

    Args:
        basis: ``as_corrected`` takes the deliveries and the champion of today; ``as_known_then`` those of the
            partition's own night, and never goes live.  The stages after this one follow it.

    Raises:
        NotReadyError: the partition is open, or a source was not delivered.
        BadInputError: a delivery is damaged, empty or has the wrong columns.
    """
    known_by = find_known_by(workspace, job, partition, basis)
    workspace = follow_basis(workspace, known_by)

    def work() -> Summary:
        check_closed(job, date.fromisoformat(partition), workspace.clock())
        deliveries, rows, schema, warnings = {}, {}, {}, []
        for source in job.sources:
            delivery = _take_delivery(workspace, job, source, partition, known_by)
            try:
                ingested = ingest_delivery(workspace, job, source, delivery, force=force)
            except SchemaRefusedError as refusal:
                write_schema_refusal(workspace, job, partition, source, delivery, refusal)
                raise
            deliveries[source.name] = {"partition": delivery.partition, "digest": delivery.digest}
            rows[source.name] = ingested.facts["received"]
            schema[source.name] = ingested.facts["schema"]
            warnings += warn_of_new_columns(workspace, job, source, ingested)
        return {
            "deliveries": deliveries,
            "rows": sum(rows.values()),
            "sources": rows,
            "schema": schema,
            "warnings": warnings,
            "basis": basis,
            "known_by": known_by,
        }

    return record_stage(workspace, job, partition, run, "ingest", work)


def validate(
    workspace: Workspace, job: Job, partition: str, run: str, ingested: Summary, *, force: bool = False
) -> Summary:
    """Validate every source of the partition, and what earlier partitions the trailing windows need.

    Raises:
        BadInputError: a delivery was refused; nothing is lost, what it held is in the quarantine.
    """
    workspace = follow_basis(workspace, ingested["known_by"])

    def work() -> Summary:
        feature_set = load_feature_set(job)
        deliveries = {
            source.name: workspace.deliveries.get(source.name, **ingested["deliveries"][source.name])
            for source in job.sources
        }
        own = examine_deliveries(workspace, job, deliveries, force=force)
        own, refusals = _accept_sources(workspace, job, own)
        docs = write_docs(workspace, job, partition, own, refusals)
        for refusal in refusals.values():
            raise refusal
        prepare_history(workspace, job, history_of(job, feature_set, partition))
        inputs_of = collect_inputs(workspace, job, feature_set, partition, own)
        night = pin_night(workspace, job, partition, own, inputs_of)
        sources = {
            name: {key: source.rows.facts[key] for key in ("received", "quarantined", "reasons")}
            for name, source in own.items()
        }
        warnings, drifts = (
            [
                f"{name}: {failure}"
                for name, source in own.items()
                if source.judgement is not None
                for failure in source.judgement.facts["verdict"][kind]
            ]
            for kind in ("warnings", "drifts")
        )
        warnings += [acceptance.describe() for acceptance in inputs_of.acceptances]
        warnings += warn_of_redeliveries(workspace, job, partition)
        rows = sum(counts["received"] - counts["quarantined"] for counts in sources.values())
        return {
            "output": night.address,
            "rows": rows,
            "sources": sources,
            "warnings": warnings,
            "drifts": drifts,
            "docs": docs,
            **_pass_on(ingested),
        }

    return record_stage(workspace, job, partition, run, "validate", work)


def build_features(
    workspace: Workspace, job: Job, partition: str, run: str, validated: Summary, *, force: bool = False
) -> Summary:
    """Build the features of the population.

    Raises:
        BadInputError: a feature is infinite, or cannot be computed from the rows.
    """

    def work() -> Summary:
        outputs = workspace.outputs(job)
        _, inputs_of = load_night(outputs, job, validated["output"])
        built = build_partition(workspace, job, load_feature_set(job), inputs_of, force=force)
        return {
            "output": built.address,
            "night": validated["output"],
            "computed": outputs.is_new(built),
            **built.facts,
            **_pass_on(validated),
        }

    return record_stage(workspace, job, partition, run, "build_features", work)


def score(workspace: Workspace, job: Job, partition: str, run: str, built: Summary, *, force: bool = False) -> Summary:
    """Score the features with the champion of the partition, which is resolved here, once; profile and explain them.

    Raises:
        NotReadyError: no model is champion for the partition.
        DamagedError: the model's file is not the one that was registered.
        RefusedError: the model was trained on other features.
        BadInputError: a score is not finite or out of range; nothing is published.
    """
    workspace = follow_basis(workspace, built["known_by"])

    def work() -> Summary:
        outputs = workspace.outputs(job)
        features = outputs.load(BUILD_STAGE, built["output"])
        champion = workspace.ledger(job).require_champion(partition)
        load = ModelLoader(workspace, job)
        done = score_and_profile(workspace, job, features, champion, force=force, load=load)
        reasons = explain_highest(
            workspace, job, features, done.scored, champion, force=force, load=load, highest=done.highest
        )
        return {
            "output": done.scored.address,
            "profile": None if done.profile is None else done.profile.address,
            "night": built["night"],
            "features": features.address,
            "model_version": champion.version,
            "computed": outputs.is_new(done.scored),
            "rows": done.scored.facts["rows"],
            "reasons": reasons,
            "warnings": [*load.warnings, *done.warnings, *([] if reasons["warning"] is None else [reasons["warning"]])],
            "profile_seconds": done.seconds,
            **_pass_on(built),
        }

    return record_stage(workspace, job, partition, run, "score", work)


def publish(
    workspace: Workspace,
    job: Job,
    partition: str,
    run: str,
    scored: Summary,
    *,
    dry_run: bool = False,
    release_rejected: bool = False,
) -> Summary:
    """Load a new generation, read all of it back, hold it against the release gate, and make it live.

    It does not become live if a newer partition is, or if its basis is that of a past night.

    Args:
        dry_run: stop before anything is kept: the load is discarded, readers and the release log see nothing of it.
        release_rejected: release even what a rollback has taken back.

    Raises:
        RefusedError: another run published in between, a rollback took these inputs back, or the gate blocked the
            release; what is live stays live.
        UnavailableError: Redis is down, read-only or full; what is live stays live.
        DamagedError: the rows do not add up.
    """
    workspace = follow_basis(workspace, scored["known_by"])

    def work() -> Summary:
        candidate = find_candidate(workspace, job, partition, run, scored)
        return publish_release(workspace, job, candidate, dry_run=dry_run, release_rejected=release_rejected)

    return record_stage(workspace, job, partition, run, "publish", work)


def approve(
    workspace: Workspace,
    job: Job,
    partition: str,
    run: str,
    held: Summary,
    *,
    who: str,
    why: str,
    release_rejected: bool = False,
) -> Summary:
    """Make the generation live that the gate held back, because a person approved it.

    Args:
        release_rejected: release even what a rollback has taken back.

    Raises:
        RefusedError: it was overtaken meanwhile; what is live stays live.
    """

    def work() -> Summary:
        return approve_release(workspace, job, held["generation"], who=who, why=why, release_rejected=release_rejected)

    return record_stage(workspace, job, partition, run, "approve", work)


def _take_delivery(workspace: Workspace, job: Job, source: Source, partition: str, known_by: str | None) -> Delivery:
    try:
        return require_delivery(workspace, job, source, partition)
    except NotReadyError as error:
        if known_by is None:
            raise
        raise NotReadyError(
            f"nothing of source {source.name} had landed by {known_by}, which is all that this night knew",
            job=job.name,
            partition=partition,
            expected="a delivery that had landed when the partition was first published, or by its deadline",
            found="none",
            next_step="run it as corrected, with what has landed since",
        ) from error


def _pass_on(summary: Summary) -> Summary:
    """What every stage hands on to the one after it."""
    return {name: summary[name] for name in ("basis", "known_by")}


def _accept_sources(
    workspace: Workspace, job: Job, own: Mapping[str, Validated]
) -> tuple[dict[str, Validated], dict[str, BadInputError]]:
    """The sources with what people have accepted of them, and why others are refused, by name."""
    accepted, refusals = dict(own), {}
    for source in job.sources:
        try:
            accepted[source.name] = check_accepted(workspace, job, source, own[source.name])
        except BadInputError as error:
            refusals[source.name] = error
    return accepted, refusals
