"""Fit a challenger to a dataset version, and put its files into the lake."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from pipeline import __version__
from pipeline.digests import digest_code, digest_declared_code
from pipeline.job import Job, import_attribute
from pipeline.predicting import predict_outcomes
from pipeline.stages.evaluate import compute_metrics
from pipeline.stages.golden import choose_golden_rows
from pipeline.stages.matrix import take_matrix
from pipeline.stages.score import score_rows
from pipeline.stages.search import describe_search
from pipeline.stages.train import fit_model
from pipeline.stores.ledger_events import Registration
from pipeline.stores.model_libraries import list_library_versions
from pipeline.stores.model_metadata import SavedModel
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.cold_starts import make_priors
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.monitoring.references import write_reference
from pipeline.tasks.snapshots import load_dataset
from pipeline.tasks.workspace import Workspace, environment_of

TRAIN_STAGE = "train"

_CODE = (
    "pipeline.stages.train",
    "pipeline.stages.search",
    "pipeline.stages.sample",
    "pipeline.stages.matrix",
    "pipeline.stages.golden",
    "pipeline.stages.priors",
    "pipeline.stages.score",
    "pipeline.stages.evaluate.metrics",
    "pipeline.stores.model_pickling",
    "pipeline.predicting",
    "pipeline.tasks.cold_starts",
)


def fit_challenger(workspace: Workspace, job: Job, dataset: Output) -> Output:
    """The fitted model of a dataset version.

    Returns:
        An output whose facts are ``model`` (a saved model), ``metrics`` on the holdout, ``rows`` that were trained on
        and ``search``, every combination of parameters that was tried.

    Raises:
        BadInputError: the rows cannot be trained on.
        NotReadyError: there are too few partitions to search or to calibrate on.
    """
    feature_set = load_feature_set(job)
    model_module = job.model.partition(":")[0]
    build_model = import_attribute(job.model)
    inputs = {"dataset_version": dataset.digest, **describe_fit(job)}
    outputs = workspace.outputs(job)
    found = outputs.find(TRAIN_STAGE, inputs)
    if found is not None and workspace.models(job).is_intact(SavedModel.model_validate(found.facts["model"])):
        return found
    rows = load_dataset(workspace, job, dataset, "train")
    partition = dataset.inputs["known_by"]
    fitted = fit_model(build_model, rows.features, rows.labels, rows.partitions, job=job, partition=partition)
    golden = choose_golden_rows(
        partial(predict_outcomes, fitted.estimator, task=job.task),
        take_matrix(rows.features, job, partition),
        {column.name: column.kind for column in feature_set.columns},
    )
    saved = workspace.models(job).save(
        fitted.estimator,
        task=job.task,
        feature_set=feature_set,
        dataset_version=dataset.digest,
        parameters={"seed": job.training.seed, "rows": len(rows.features), **fitted.parameters},
        golden=golden,
        decimals=job.decimals,
        priors=make_priors(workspace, job, dataset),
        prior_segment=None if job.priors is None else job.priors.segment,
        package=model_module.partition(".")[0],
    )
    write_reference(workspace, job, saved.digest, rows)
    facts: dict[str, Any] = {
        "model": saved.model_dump(mode="json"),
        "metrics": _measure_on_holdout(workspace, job, dataset, saved, fitted.estimator),
        "rows": len(rows.features),
        "search": describe_search(fitted.tried, job),
    }
    return outputs.commit(TRAIN_STAGE, inputs, {}, facts)


def describe_fit(job: Job) -> dict[str, Any]:
    """All that a fitted model and its metrics depend on, beside the dataset."""
    estimator = import_attribute(job.model)(job.training.seed)
    return {
        "training": job.training.model_dump(mode="json", include={"seed", "search", "calibration"}),
        "model": job.model,
        "model_code": digest_declared_code(job.model.partition(":")[0]),
        "code": digest_code(*_CODE, __name__),
        "priors": None if job.priors is None else job.priors.model_dump(),
        "business_cost": describe_cost(job),
        "environment": {**environment_of(), **list_library_versions(estimator)},
    }


def describe_cost(job: Job) -> list[str] | None:
    """The job's business cost: its name and its code."""
    if job.business_cost is None:
        return None
    return [job.business_cost, digest_declared_code(job.business_cost.partition(":")[0])]


def describe_model(job: Job, dataset: Output, trained: Output) -> Registration:
    """What the ledger is told of a fitted model."""
    saved = SavedModel.model_validate(trained.facts["model"])
    return Registration(
        partition=dataset.inputs["known_by"],
        trained_through=dataset.inputs["train"][-1]["partition"],
        model_digest=saved.digest,
        metadata_digest=saved.metadata_digest,
        artifact_path=saved.path,
        feature_set_name=saved.metadata.feature_set_name,
        feature_set_version=saved.metadata.feature_set_version,
        feature_set_digest=saved.metadata.feature_set_digest,
        dataset_version=dataset.digest,
        metrics=trained.facts["metrics"],
        parameters=saved.metadata.parameters,
        code_version=f"{__version__}+{digest_declared_code(job.model.partition(':')[0])[:12]}",
        library_versions=saved.metadata.library_versions,
    )


def measure_scores(job: Job, labels: pd.Series, scores: pd.Series) -> dict[str, float]:
    """Metrics of scores, the job's own business cost included."""
    cost = None if job.business_cost is None else import_attribute(job.business_cost)
    return compute_metrics(job.task, labels, scores, cost)


def _measure_on_holdout(
    workspace: Workspace, job: Job, dataset: Output, saved: SavedModel, estimator: Any
) -> dict[str, float]:
    holdout = load_dataset(workspace, job, dataset, "holdout")
    model = Model(version="challenger", estimator=estimator, metadata=saved.metadata)
    digest = load_feature_set(job).digest
    partition = dataset.inputs["known_by"]
    scores = score_rows(model, holdout.features, job, feature_set_digest=digest, partition=partition)
    return measure_scores(job, holdout.labels, scores)
