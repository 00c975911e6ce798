"""Scores: made of a partition's features and one model, once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from pipeline.digests import digest_code, digest_json
from pipeline.errors import NotCompiledError
from pipeline.job import Job
from pipeline.stages.score import score_rows
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.model_libraries import find_versions
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output, OutputFile, shard_label
from pipeline.tasks.comparing import ENTITY_ID, SCORES
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import read_features
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.per_process import PerProcess
from pipeline.tasks.workspace import Workspace, environment_of

Seen = TypeVar("Seen")

_LOG = logging.getLogger(__name__)

SCORE_STAGE = "score"
SHADOW_STAGE = "shadow"
COMPILED = "compiled"
"""Input of scores that compiled trees made: their digest."""
SCORE_SCHEMA = pa.schema([pa.field(ENTITY_ID, pa.string()), pa.field("prediction", pa.float64())])


class ModelLoader:
    """Gives models, verified and with compiled trees where those may be used; reads each from the lake once.

    Attributes:
        warnings: why scikit-learn scores in the place of compiled trees, of models that have trees.
    """

    def __init__(self, workspace: Workspace, job: Job) -> None:
        self._models = workspace.models(job)
        self._compiled = workspace.compiled(job)
        self._loaded: dict[str, Model] = {}
        self.warnings: list[str] = []

    def __call__(self, version: ModelVersion) -> Model:
        """The model.

        Raises:
            RefusedError, DamagedError: it may not be loaded, as :meth:`pipeline.stores.models.Models.load` says.
        """
        if version.version not in self._loaded:
            self._loaded[version.version] = self._load(version)
        return self._loaded[version.version]

    def _load(self, version: ModelVersion) -> Model:
        model = self._models.load(version)
        try:
            return self._compiled.take_over(version, model)
        except NotCompiledError as error:
            next_step = "" if error.next_step is None else f"; {error.next_step}"
            self.warnings.append(f"scikit-learn scored, and not compiled trees: {error.problem}{next_step}")
            _LOG.warning("%s", self.warnings[-1])
        return model


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
        load: gives the model, verified, to this process; default: a :class:`ModelLoader`.
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
    look: Callable[[pd.DataFrame, pd.DataFrame], Seen] | None = None,
) -> tuple[Output, list[Seen]]:
    """Like :func:`score_features`, with what ``look`` makes of each shard that was scored: its features and scores.

    Nothing is looked at if the scores are there already.  ``look`` may be called in another process.
    """
    outputs = workspace.outputs(job)
    made_of = _list_inputs(workspace, job, features, version)
    expected = _expect_compiled(workspace, job, version)
    if not force and (found := outputs.find(stage, _add_compiled(made_of, expected))) is not None:
        return found, []
    model = (load or ModelLoader(workspace, job))(version)
    inputs = _add_compiled(made_of, model.compiled)
    if not force and model.compiled != expected and (found := outputs.find(stage, inputs)) is not None:
        return found, []
    work = partial(
        _score_shard,
        job=job,
        features=features,
        stage=stage,
        inputs=inputs,
        model=PerProcess(partial(_load_model, job=job, version=version), here=lambda: model),
        look=look,
    )
    shards = list(enumerate(features.shards(FEATURES)))
    done = run_shards(workspace, work, shards, rows=features.facts["rows"])
    files = {shard_label(SCORES, number): file for number, (file, _) in enumerate(done)}
    scored = outputs.commit(stage, inputs, files, {"rows": sum(file.rows for file in files.values())})
    return scored, [seen for _, each in done for seen in each]


def digest_scores(scored: Output) -> str:
    """What scores are, whether trees or their compiled tables made them: not one bit of them depends on it."""
    inputs = {name: value for name, value in scored.inputs.items() if name != COMPILED}
    return digest_json({**scored.model_dump(), "inputs": inputs})


def _load_model(workspace: Workspace, *, job: Job, version: ModelVersion) -> Model:
    """The model, in a process that scores for another one: with compiled trees or without, the bytes are the same."""
    return ModelLoader(workspace, job)(version)


def _score_shard(
    workspace: Workspace,
    shard: tuple[int, str],
    *,
    job: Job,
    features: Output,
    stage: str,
    inputs: Mapping[str, Any],
    model: PerProcess[Model],
    look: Callable[[pd.DataFrame, pd.DataFrame], Seen] | None,
) -> tuple[OutputFile, list[Seen]]:
    number, label = shard
    frame = read_features(workspace, job, features, label)
    predictions = score_rows(
        model(workspace),
        frame,
        job,
        feature_set_digest=inputs["feature_set"],
        partition=features.inputs["partition"],
    )
    scores = pd.DataFrame({ENTITY_ID: frame[job.entity_id], "prediction": predictions})
    table = pa.Table.from_pandas(scores, SCORE_SCHEMA, preserve_index=False)
    file = workspace.outputs(job).write(stage, inputs, shard_label(SCORES, number), table)
    return file, [] if look is None else [look(frame, scores)]


def _list_inputs(workspace: Workspace, job: Job, features: Output, version: ModelVersion) -> dict[str, Any]:
    """What scores are made of, but for the compiled trees."""
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


def _add_compiled(made_of: dict[str, Any], compiled: str | None) -> dict[str, Any]:
    return made_of if compiled is None else {**made_of, COMPILED: compiled}


def _expect_compiled(workspace: Workspace, job: Job, version: ModelVersion) -> str | None:
    """Digest of the compiled trees that will score, unless loading finds something against them."""
    try:
        return workspace.compiled(job).find(version).digest
    except NotCompiledError:
        return None
