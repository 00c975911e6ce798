"""Model cards: what a model is for, what it was made of, how good it is and what it does not know."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.stages import card
from pipeline.stages.evaluate import PRIMARY_METRIC
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.challenging import ScoredHoldout, score_holdout
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.fitting import TRAIN_STAGE, measure_scores
from pipeline.tasks.retraining import EVALUATE_STAGE
from pipeline.tasks.runs import Summary
from pipeline.tasks.snapshots import SNAPSHOT_STAGE
from pipeline.tasks.workspace import Workspace

_LOG = logging.getLogger(__name__)


def write_card(workspace: Workspace, job: Job, partition: str, trained: Summary, evaluated: Summary) -> Summary:
    """Write the card of the model that was evaluated into the lake.  A card that cannot be written stops no training.

    A champion that was trained anew keeps the card that it has, which says how it became champion.

    Args:
        trained, evaluated: summaries of the stages before.

    Returns:
        ``evaluated`` with ``card`` (path of its page in the lake, or None) and ``card_warning`` (why there is none).
    """
    path = warning = None
    try:
        with conceal_rows(job.name, partition):
            path = _write(workspace, job, trained, evaluated)
    except (NightjarError, OSError) as error:
        warning = f"model {evaluated['model_version']} of {job.name} has no new card, and needs none to serve: {error}"
        _LOG.warning("%s", warning)
    return {**evaluated, "card": path, "card_warning": warning}


def _write(workspace: Workspace, job: Job, trained: Summary, evaluated: Summary) -> str:
    cards, version = workspace.cards(job), evaluated["model_version"]
    if evaluated["output"] is None and cards.exists(version):
        return cards.page(version)
    document = _describe(workspace, job, trained, evaluated)
    concealed = {**document, "segments": card.conceal_segments(document["segments"]), "conceals_segments": True}
    return cards.write(version, document, concealed)


def _describe(workspace: Workspace, job: Job, trained: Summary, evaluated: Summary) -> dict[str, Any]:
    outputs, ledger = workspace.outputs(job), workspace.ledger(job)
    dataset = outputs.load(SNAPSHOT_STAGE, trained["output"])
    fitted = outputs.load(TRAIN_STAGE, trained["fitted"])
    found = None if evaluated["output"] is None else outputs.load(EVALUATE_STAGE, evaluated["output"])
    version = ledger.version(evaluated["model_version"])
    champion = None if found is None or evaluated["champion"] is None else ledger.version(evaluated["champion"])
    scored = score_holdout(workspace, job, dataset, version, champion)
    model = workspace.models(job).load(version)
    data = _describe_data(job, dataset, fitted, scored)
    quality = _describe_quality(job, scored, champion, found)
    differences = [] if found is None else found.facts["segments"]
    rows = scored.rows
    segments = card.measure_segments(
        job, rows.labels, scored.challenger, scored.champion, rows.segments, rows.partitions, differences
    )
    return {
        "version": version.version,
        "job": _describe_job(job),
        "data": data,
        "features": _describe_features(version, model),
        "making": _describe_making(workspace, job, version, model, fitted),
        "quality": quality,
        "verdict": None if found is None else {name: found.facts[name] for name in ("promote", "why", "checks")},
        "curves": _describe_curves(job, scored),
        "partitions": card.measure_partitions(job, rows.labels, scored.challenger, scored.champion, rows.partitions),
        "importance": card.measure_importance(model.estimator, rows.features, rows.labels, rows.partitions, job),
        "segments": segments,
        "caveats": card.list_caveats(job, data, quality["metrics"]["model"], segments),
    }


def _describe_job(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "description": job.description,
        "owner": job.owner.model_dump(),
        "task": job.task,
        "population": job.population.name,
        "entity_id": job.entity_id,
        "label": f"{job.label.value} of {job.label.source}, {job.label.closes_after} d after the partition",
        "score_range": list(job.score_range),
        "decision_threshold": job.decision_threshold,
    }


def _describe_data(job: Job, dataset: Output, fitted: Output, scored: ScoredHoldout) -> dict[str, Any]:
    trained = [entry["partition"] for entry in dataset.inputs["train"]]
    compared = sorted(set(scored.rows.partitions))
    return {
        "dataset_version": dataset.digest,
        "known_by": dataset.inputs["known_by"],
        "trained": {**_span(trained), "rows": fitted.facts["rows"]},
        "holdout": {**_span(compared), "rows": len(scored.rows.labels)},
        "gap": job.gap,
        "left_out": dataset.inputs["left_out"],
    }


def _span(days: list[str]) -> dict[str, Any]:
    return {"first": days[0], "last": days[-1], "partitions": len(days)}


def _describe_features(version: ModelVersion, model: Model) -> dict[str, Any]:
    registration = version.registration
    return {
        "name": registration.feature_set_name,
        "version": registration.feature_set_version,
        "digest": registration.feature_set_digest,
        "columns": [feature.model_dump() for feature in model.metadata.features],
    }


def _describe_making(
    workspace: Workspace, job: Job, version: ModelVersion, model: Model, fitted: Output
) -> dict[str, Any]:
    registration, calibration = version.registration, job.training.calibration
    return {
        "estimator": _name_estimator(model.estimator),
        "parameters": registration.parameters,
        "search": fitted.facts["search"],
        "calibration": None if calibration is None else calibration.model_dump(),
        "seed": job.training.seed,
        "code_version": registration.code_version,
        "library_versions": registration.library_versions,
        "model_digest": registration.model_digest,
        "metadata_digest": registration.metadata_digest,
        "is_signed": workspace.models(job).check_signature(version),
    }


def _name_estimator(estimator: Any) -> str:
    """Its class, and those of what it wraps: a representation would hold addresses in memory."""
    name = type(estimator).__name__
    if hasattr(estimator, "steps"):
        return f"{name} of " + ", ".join(_name_estimator(step) for _, step in estimator.steps)
    inner = getattr(estimator, "estimator", None)
    return name if inner is None or isinstance(inner, str) else f"{name} of {_name_estimator(inner)}"


def _describe_quality(
    job: Job, scored: ScoredHoldout, champion: ModelVersion | None, found: Output | None
) -> dict[str, Any]:
    """Metrics on the rows of the card, and the gate's interval of the difference."""
    labels = scored.rows.labels
    old: Mapping[str, float] | None = None if scored.champion is None else measure_scores(job, labels, scored.champion)
    return {
        "metric": PRIMARY_METRIC[job.task],
        "metrics": {"model": measure_scores(job, labels, scored.challenger), "champion": old},
        "champion": None if champion is None or old is None else champion.version,
        "interval": None if found is None else found.facts["interval"],
        "confidence": job.training.gate.confidence,
        "cost_unit": job.cost_unit,
    }


def _describe_curves(job: Job, scored: ScoredHoldout) -> dict[str, Any]:
    """Calibration for both models; ROC curves for a binary task, else predicted against actual."""
    labels = scored.rows.labels
    given = {"model": scored.challenger, "champion": scored.champion}
    there = {name: scores for name, scores in given.items() if scores is not None}
    bins = {name: card.compute_bins(job.task, labels, scores) for name, scores in there.items()}
    if job.task == "binary":
        roc = {name: card.compute_roc(labels, scores) for name, scores in there.items()}
        return {"calibration": bins, "roc": roc}
    return {"calibration": bins, "residuals": card.compute_residuals(labels, scored.challenger)}
