"""Scores: made of a partition's features and one model, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from pipeline.digests import digest_code
from pipeline.job import Job
from pipeline.stages.score import score_rows
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.model_libraries import find_versions
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output, OutputFile, shard_label
from pipeline.tasks.comparing import SCORES
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import load_feature_set, read_features
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.per_process import PerProcess
from pipeline.tasks.workspace import Workspace, environment_of

Seen = TypeVar("Seen")

SCORE_STAGE = "score"
SHADOW_STAGE = "shadow"
SCORE_SCHEMA = pa.schema([pa.field("entity_id", pa.string()), pa.field("prediction", pa.float64())])


def load_once(workspace: Workspace, job: Job) -> Callable[[ModelVersion], Model]:
    """What gives a model, verified, and reads it from the lake the first time alone."""
    loaded: dict[str, Model] = {}

    def load(version: ModelVersion) -> Model:
        if version.version not in loaded:
            loaded[version.version] = workspace.models(job).load(version)
        return loaded[version.version]

    return load


def score_features(
    workspace: Workspace,
    job: Job,
    features: Output,
    version: ModelVersion,
    *,
    stage: str = SCORE_STAGE,
    force: bool = False,
    load: Callable[[ModelVersion], Model] | None = None,
) -> Output:
    """Score every shard of a partition's features with one model.

    Args:
        stage: whose output the scores are: of what is served, or of a shadow.
        load: gives the model, verified, to this process; default: read from the lake.
    """
    return score_and_look(workspace, job, features, version, stage=stage, force=force, load=load)[0]


def score_and_look(
    workspace: Workspace,
    job: Job,
    features: Output,
    version: ModelVersion,
    *,
    stage: str = SCORE_STAGE,
    force: bool = False,
    load: Callable[[ModelVersion], Model] | None = None,
    look: Callable[[pd.DataFrame], Seen] | None = None,
) -> tuple[Output, list[Seen]]:
    """Like :func:`score_features`, with what ``look`` makes of each shard that was scored, as built.

    Nothing is looked at if the scores are there already.  ``look`` may be called in another process.
    """
    inputs = _list_inputs(workspace, job, features, version)
    outputs = workspace.outputs(job)
    if not force and (found := outputs.find(stage, inputs)) is not None:
        return found, []
    work = partial(
        _score_shard,
        job=job,
        features=features,
        stage=stage,
        inputs=inputs,
        model=PerProcess(partial(_load_model, job=job, version=version), here=load and partial(load, version)),
        look=look,
    )
    shards = list(enumerate(features.shards(FEATURES)))
    done = run_shards(workspace, work, shards, rows=features.facts["rows"])
    files = {shard_label(SCORES, number): file for number, (file, _) in enumerate(done)}
    scored = outputs.commit(stage, inputs, files, {"rows": sum(file.rows for file in files.values())})
    return scored, [seen for _, each in done for seen in each]


def _load_model(workspace: Workspace, *, job: Job, version: ModelVersion) -> Model:
    return workspace.models(job).load(version)


def _score_shard(
    workspace: Workspace,
    shard: tuple[int, str],
    *,
    job: Job,
    features: Output,
    stage: str,
    inputs: Mapping[str, Any],
    model: PerProcess[Model],
    look: Callable[[pd.DataFrame], Seen] | None,
) -> tuple[OutputFile, list[Seen]]:
    number, label = shard
    frame = read_features(workspace, job, features, label)
    scores = score_rows(
        model(workspace),
        frame,
        job,
        feature_set_digest=inputs["feature_set"],
        partition=features.inputs["partition"],
    )
    table = pa.table([pa.array(frame[job.entity_id]), pa.array(scores)], schema=SCORE_SCHEMA)
    file = workspace.outputs(job).write(stage, inputs, shard_label(SCORES, number), table)
    return file, [] if look is None else [look(frame)]


def _list_inputs(workspace: Workspace, job: Job, features: Output, version: ModelVersion) -> dict[str, Any]:
    metadata = workspace.models(job).read_metadata(version)
    return {
        "features": features.digest,
        "model_version": version.version,
        "model_digest": version.registration.model_digest,
        "model_code": metadata.code,
        "feature_set": load_feature_set(job).digest,
        "decimals": job.decimals,
        "score_range": list(job.score_range),
        "task": job.task,
        "code": digest_code("pipeline.stages.score", "pipeline.stages.matrix", "pipeline.predicting", __name__),
        "environment": environment_of("scikit-learn", "scipy"),
        "model_libraries": find_versions(list(metadata.library_versions)),
    }
