"""Retraining: snapshot, train, evaluate, promote.

A challenger is trained on everything but the newest closed partitions, the holdout; on those it is compared with the
champion.  The model that was compared is the one that is promoted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

from pipeline import __version__
from pipeline.digests import digest_code, digest_declared_code
from pipeline.errors import RefusedError
from pipeline.job import Job, import_attribute
from pipeline.predicting import predict_outcomes
from pipeline.stages.evaluate import Decision, compute_metrics, decide
from pipeline.stages.golden import choose_golden_rows
from pipeline.stages.matrix import take_matrix
from pipeline.stages.score import score_rows
from pipeline.stages.train import fit_model
from pipeline.stores.ledger_events import ModelVersion, Registration
from pipeline.stores.model_libraries import list_library_versions
from pipeline.stores.model_metadata import SavedModel
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.cold_starts import make_priors
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.feature_building import load_feature_set
from pipeline.tasks.runs import Summary
from pipeline.tasks.snapshots import SNAPSHOT_STAGE, Dataset, load_dataset, take_snapshot
from pipeline.tasks.workspace import Workspace, environment_of

_LOG = logging.getLogger(__name__)

_TRAIN_CODE = (
    "pipeline.stages.train",
    "pipeline.stages.matrix",
    "pipeline.stages.golden",
    "pipeline.stages.priors",
    "pipeline.predicting",
)

TRAIN_STAGE = "train"
EVALUATE_STAGE = "evaluate"


def snapshot(workspace: Workspace, job: Job, partition: str, run: str) -> Summary:
    """Fix the dataset version: features and labels as they were known when ``partition`` closed.

    Raises:
        NotReadyError: too few partitions can be trained on.
    """

    def work() -> Summary:
        taken = take_snapshot(workspace, job, partition)
        parts = {part: [entry["partition"] for entry in taken.inputs[part]] for part in ("train", "holdout")}
        return {
            "output": taken.address,
            "dataset_version": taken.digest,
            "left_out": taken.inputs["left_out"],
            **{part: {"first": days[0], "last": days[-1], "partitions": len(days)} for part, days in parts.items()},
        }

    return _summarise(job, partition, run, "snapshot", work)


def train(workspace: Workspace, job: Job, partition: str, run: str, snapped: Summary) -> Summary:
    """Fit a challenger and register it in the ledger.  The same dataset version gives the same model.

    Raises:
        BadInputError: the rows cannot be trained on.
    """

    def work() -> Summary:
        dataset = workspace.outputs(job).load(SNAPSHOT_STAGE, snapped["output"])
        trained = _fit(workspace, job, dataset)
        saved = SavedModel.model_validate(trained.facts["model"])
        version = workspace.ledger(job).register(
            _describe_model(job, dataset, saved, trained.facts["metrics"]),
            who=run,
            why=f"trained on the partitions {snapped['train']['first']} to {snapped['train']['last']}",
        )
        return {
            "output": snapped["output"],
            "model_version": version.version,
            "model_digest": saved.digest,
            "rows": trained.facts["rows"],
            "metrics": trained.facts["metrics"],
        }

    return _summarise(job, partition, run, "train", work)


def evaluate(workspace: Workspace, job: Job, partition: str, run: str, trained: Summary) -> Summary:
    """Compare the challenger with the champion on the holdout, both loaded as they would be to score a night."""

    def work() -> Summary:
        dataset = workspace.outputs(job).load(SNAPSHOT_STAGE, trained["output"])
        ledger = workspace.ledger(job)
        challenger = ledger.version(trained["model_version"])
        champion = ledger.champion(_holds_from(partition))
        holdout = load_dataset(workspace, job, dataset, "holdout")
        new = _measure(workspace, job, challenger, holdout)
        if champion is None:
            decision, old = decide(job.task, None, new, job.training.margin), None
        elif champion.version == challenger.version:
            decision, old = Decision(False, f"model {champion.version} is champion already"), new
        else:
            decision, old = _compare(workspace, job, champion, holdout, new)
        compared = {
            "model_version": challenger.version,
            "champion": None if champion is None else champion.version,
            "identities": [version.registration.identity for version in (challenger, champion) if version is not None],
            "dataset_version": dataset.digest,
            "margin": job.training.margin,
            "code": digest_code("pipeline.stages.evaluate", "pipeline.stages.score", "pipeline.predicting", __name__),
            "environment": environment_of("scikit-learn", "scipy"),
        }
        verdict = {
            "metrics": {"challenger": new, "champion": old},
            "promote": decision.promote,
            "why": decision.why,
        }
        comparison = workspace.outputs(job).commit(EVALUATE_STAGE, compared, {}, verdict)
        return {
            "output": comparison.address,
            "model_version": compared["model_version"],
            "champion": compared["champion"],
            **verdict,
        }

    return _summarise(job, partition, run, "evaluate", work)


def promote(workspace: Workspace, job: Job, partition: str, run: str, evaluated: Summary) -> Summary:
    """Make the challenger champion from the next partition on, if it was found not to be worse; then mirror to MLflow.

    Raises:
        RefusedError: another model has become champion since the comparison.
    """

    def work() -> Summary:
        ledger = workspace.ledger(job)
        version, holds_from = evaluated["model_version"], _holds_from(partition)
        if evaluated["promote"]:
            ledger.promote(
                version,
                holds_from=holds_from,
                who=run,
                why=evaluated["why"],
                expected_champion=evaluated["champion"],
            )
        champion = ledger.require_champion(holds_from)
        _LOG.info(
            "model %s of %s was %spromoted (%s); champion from %s on is model %s",
            version,
            job.name,
            "" if evaluated["promote"] else "not ",
            evaluated["why"],
            holds_from,
            champion.version,
        )
        return {
            "model_version": version,
            "promoted": evaluated["promote"],
            "why": evaluated["why"],
            "champion": champion.version,
            "holds_from": holds_from,
            "mlflow_warning": workspace.experiments(job).mirror(ledger.events()),
        }

    return _summarise(job, partition, run, "promote", work)


def _summarise(job: Job, partition: str, run: str, stage: str, work: Callable[[], Summary]) -> Summary:
    start = time.perf_counter()
    with conceal_rows(job.name, partition):
        summary = work()
    seconds = round(time.perf_counter() - start, 3)
    return {"stage": stage, "job": job.name, "partition": partition, "run": run, "seconds": seconds, **summary}


def _fit(workspace: Workspace, job: Job, dataset: Output) -> Output:
    """The fitted model of a dataset version, and its metrics on the holdout."""
    feature_set = load_feature_set(job)
    model_module = job.model.partition(":")[0]
    build_model = import_attribute(job.model)
    inputs = {
        "dataset_version": dataset.digest,
        "seed": job.training.seed,
        "model": job.model,
        "model_code": digest_declared_code(model_module),
        "code": digest_code(*_TRAIN_CODE, __name__),
        "priors": None if job.priors is None else job.priors.model_dump(),
        "environment": {**environment_of(), **list_library_versions(build_model(job.training.seed))},
    }
    outputs = workspace.outputs(job)
    found = outputs.find(TRAIN_STAGE, inputs)
    if found is not None and workspace.models(job).is_intact(SavedModel.model_validate(found.facts["model"])):
        return found
    features, labels = load_dataset(workspace, job, dataset, "train")
    partition = dataset.inputs["known_by"]
    estimator = fit_model(build_model, features, labels, job.training.seed, job=job, partition=partition)
    golden = choose_golden_rows(
        partial(predict_outcomes, estimator, task=job.task),
        take_matrix(features, job, partition),
        {column.name: column.kind for column in feature_set.columns},
    )
    saved = workspace.models(job).save(
        estimator,
        task=job.task,
        feature_set=feature_set,
        dataset_version=dataset.digest,
        parameters={"seed": job.training.seed, "rows": len(features)},
        golden=golden,
        decimals=job.decimals,
        priors=make_priors(workspace, job, dataset),
        prior_segment=None if job.priors is None else job.priors.segment,
        package=model_module.partition(".")[0],
    )
    model = Model(version="challenger", estimator=estimator, metadata=saved.metadata)
    held_features, held_labels = load_dataset(workspace, job, dataset, "holdout")
    scores = score_rows(model, held_features, job, feature_set_digest=feature_set.digest, partition=partition)
    metrics = compute_metrics(job.task, held_labels, scores)
    facts: dict[str, Any] = {"model": saved.model_dump(mode="json"), "metrics": metrics, "rows": len(features)}
    return outputs.commit(TRAIN_STAGE, inputs, {}, facts)


def _describe_model(job: Job, dataset: Output, saved: SavedModel, metrics: dict[str, float]) -> Registration:
    return Registration(
        partition=dataset.inputs["known_by"],
        model_digest=saved.digest,
        metadata_digest=saved.metadata_digest,
        artifact_path=saved.path,
        feature_set_name=saved.metadata.feature_set_name,
        feature_set_version=saved.metadata.feature_set_version,
        feature_set_digest=saved.metadata.feature_set_digest,
        dataset_version=dataset.digest,
        metrics=metrics,
        parameters=saved.metadata.parameters,
        code_version=f"{__version__}+{digest_declared_code(job.model.partition(':')[0])[:12]}",
        library_versions=saved.metadata.library_versions,
    )


def _compare(
    workspace: Workspace, job: Job, champion: ModelVersion, holdout: Dataset, new: dict[str, float]
) -> tuple[Decision, dict[str, float] | None]:
    try:
        old = _measure(workspace, job, champion, holdout)
    except RefusedError as error:
        why = f"champion {champion.version} can no longer score: {error.problem}"
        return Decision(True, why), None
    return decide(job.task, old, new, job.training.margin), old


def _measure(workspace: Workspace, job: Job, version: ModelVersion, holdout: Dataset) -> dict[str, float]:
    """Metrics of a registered model on the holdout, from the file that would score a night."""
    features, labels = holdout
    digest = load_feature_set(job).digest
    scores = score_rows(workspace.models(job).load(version), features, job, feature_set_digest=digest)
    return compute_metrics(job.task, labels, scores)


def _holds_from(partition: str) -> str:
    """The partition after the one that the training knew: nights that ran before keep the champion they had."""
    return (date.fromisoformat(partition) + timedelta(days=1)).isoformat()
