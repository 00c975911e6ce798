"""Scores: made of a partition's features and one model, once."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pyarrow as pa

from pipeline.digests import digest_code
from pipeline.job import Job
from pipeline.stages.score import score_rows
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.model_libraries import find_versions
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output, shard_label
from pipeline.tasks.comparing import SCORES
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import load_feature_set, read_features
from pipeline.tasks.workspace import Workspace, environment_of

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
    look_at: Callable[[pd.DataFrame], None] | None = None,
) -> Output:
    """Score every shard of a partition's features with one model.

    Args:
        stage: whose output the scores are: of what is served, or of a shadow.
        load: gives the model, verified; default: read from the lake.
        look_at: is given each shard that was scored, as built; nothing if the scores are there already.
    """
    feature_set = load_feature_set(job)
    models = workspace.models(job)
    metadata = models.read_metadata(version)
    inputs = {
        "features": features.digest,
        "model_version": version.version,
        "model_digest": version.registration.model_digest,
        "model_code": metadata.code,
        "feature_set": feature_set.digest,
        "decimals": job.decimals,
        "score_range": list(job.score_range),
        "task": job.task,
        "code": digest_code("pipeline.stages.score", "pipeline.stages.matrix", "pipeline.predicting", __name__),
        "environment": environment_of("scikit-learn", "scipy"),
        "model_libraries": find_versions(list(metadata.library_versions)),
    }
    outputs = workspace.outputs(job)
    partition = features.inputs["partition"]
    if not force and (found := outputs.find(stage, inputs)) is not None:
        return found
    model = (load or models.load)(version)
    files = {}
    for shard, label in enumerate(features.shards(FEATURES)):
        frame = read_features(workspace, job, features, label)
        scores = score_rows(model, frame, job, feature_set_digest=feature_set.digest, partition=partition)
        table = pa.table([pa.array(frame[job.entity_id]), pa.array(scores)], schema=SCORE_SCHEMA)
        name = shard_label(SCORES, shard)
        files[name] = outputs.write(stage, inputs, name, table)
        if look_at is not None:
            look_at(frame)
    return outputs.commit(stage, inputs, files, {"rows": sum(file.rows for file in files.values())})
