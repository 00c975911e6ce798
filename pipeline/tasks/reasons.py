"""Reasons: why the highest predictions of a night are what they are, made once and published with the generation."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from pipeline.digests import digest_code
from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.predicting import predict_outcomes
from pipeline.stages.explain import explain_rows, plan_effort, thin_out, write_reasons
from pipeline.stages.highest import Highest, merge_highest, take_highest
from pipeline.stages.matrix import take_matrix
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output, shard_label
from pipeline.tasks.background import BACKGROUND, take_background
from pipeline.tasks.comparing import ENTITY_ID, SCORES
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import read_features
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace, environment_of

_LOG = logging.getLogger(__name__)

EXPLAIN_STAGE = "explain"
REASONS = "reasons"
_CODE = ("pipeline.stages.explain", "pipeline.stages.highest", "pipeline.stages.matrix", "pipeline.predicting")
REASONS_SCHEMA = pa.schema([pa.field(ENTITY_ID, pa.string()), pa.field(REASONS, pa.string())])


@dataclass(frozen=True)
class Reasons:
    """The reasons of a generation.

    Attributes:
        texts: JSON arrays of features and contributions, by entity id; empty if there are none.
        described: what a release's manifest says of them.
        warning: why they cannot be read, if they cannot.
    """

    texts: Mapping[str, str]
    described: Mapping[str, Any] | None
    warning: str | None


def explain_highest(
    workspace: Workspace,
    job: Job,
    features: Output,
    scored: Output,
    version: ModelVersion,
    *,
    force: bool = False,
    load: Callable[[ModelVersion], Model] | None = None,
    highest: Highest | None = None,
) -> Summary:
    """Explain the highest predictions of a night.  What goes wrong is a warning: a night is released without reasons.

    Args:
        features, scored: what the model was given, and what it made of it.
        load: gives the model, verified; default: read from the lake.
        highest: at least as many predictions as the job has explained, where the pass that scored has kept them;
            default: read from the lake.

    Returns:
        ``output`` (address of the reasons, or None), ``rows`` (predictions that have some), ``seconds`` and ``warning``
        (why there are none, or None).
    """
    start = time.perf_counter()
    output = warning = None
    partition = features.inputs["partition"]
    try:
        with conceal_rows(job.name, partition):
            if job.monitoring.explained and scored.facts["rows"]:
                load = load or workspace.models(job).load
                output = _explain(workspace, job, features, scored, version, force, load, highest)
    except (NightjarError, OSError) as error:
        warning = _warn(job, partition, error)
    return {
        "output": None if output is None else output.address,
        "rows": 0 if output is None else output.facts["rows"],
        "seconds": round(time.perf_counter() - start, 3),
        "warning": warning,
    }


def read_reasons(workspace: Workspace, job: Job, partition: str, address: str | None) -> Reasons:
    """What :func:`explain_highest` has made; without texts if it made none, or if the lake does not have them.

    Args:
        address: of the output that holds them; None for none.
    """
    if address is None:
        return Reasons({}, None, None)
    outputs = workspace.outputs(job)
    try:
        with conceal_rows(job.name, partition):
            output = outputs.load(EXPLAIN_STAGE, address)
            table = outputs.read_all(output, REASONS)
    except (NightjarError, OSError) as error:
        return Reasons({}, None, _warn(job, partition, error))
    texts = dict(zip(table[ENTITY_ID].to_pylist(), table[REASONS].to_pylist(), strict=True))
    return Reasons(texts, {"address": output.address, "digest": output.digest, "rows": len(texts)}, None)


def _warn(job: Job, partition: str, error: Exception) -> str:
    told = error.problem if isinstance(error, NightjarError) else type(error).__name__
    _LOG.warning("predictions of %s %s have no reasons: %s", job.name, partition, error)
    return f"the predictions have no reasons: {told}"


def _explain(
    workspace: Workspace,
    job: Job,
    features: Output,
    scored: Output,
    version: ModelVersion,
    force: bool,
    load: Callable[[ModelVersion], Model],
    highest: Highest | None,
) -> Output:
    outputs = workspace.outputs(job)
    background = take_background(workspace, job, version)
    inputs = {
        "scores": scored.digest,
        "features": features.digest,
        "background": background.digest,
        "background_rows": outputs.count_rows(background, BACKGROUND),  # an erasure may have left fewer
        **{name: scored.inputs[name] for name in ("model_digest", "model_code", "model_libraries", "task", "decimals")},
        "explained": job.monitoring.explained,
        "seed": job.training.seed,
        "code": digest_code(*_CODE, __name__),
        "environment": environment_of("scikit-learn", "scipy"),
    }
    if not force and (found := outputs.find(EXPLAIN_STAGE, inputs)) is not None:
        return found
    others = outputs.read_all(background, BACKGROUND).to_pandas()
    effort = plan_effort(min(job.monitoring.explained, scored.facts["rows"]), len(others), len(others.columns) - 1)
    if highest is None:
        highest = _read_highest(workspace, job, features, scored, effort.rows)
    explained = highest.features.head(effort.rows)
    matrix, others = (take_matrix(rows, job, features.inputs["partition"]) for rows in (explained, others))
    predict = partial(predict_outcomes, load(version).estimator, task=job.task)
    explanation = explain_rows(predict, matrix, thin_out(others, effort.background), job.training.seed)
    texts = [write_reasons(row, list(matrix.columns), job.decimals) for row in explanation.contributions]
    table = pa.table([pa.array(explained[job.entity_id]), pa.array(texts)], schema=REASONS_SCHEMA)
    label = shard_label(REASONS, 0)
    file = outputs.write(EXPLAIN_STAGE, inputs, label, table)
    facts = {"rows": file.rows, "background": effort.background, "base": explanation.base}
    return outputs.commit(EXPLAIN_STAGE, inputs, {label: file}, facts)


def _read_highest(workspace: Workspace, job: Job, features: Output, scored: Output, most: int) -> Highest:
    """The highest predictions of scores that were made before, and their features."""
    work = partial(_read_highest_of_shard, features=features, scored=scored, job=job, most=most)
    shards = list(zip(scored.shards(SCORES), features.shards(FEATURES), strict=True))
    return merge_highest(run_shards(workspace, work, shards, rows=features.facts["rows"]), most)


def _read_highest_of_shard(
    workspace: Workspace, labels: tuple[str, str], *, job: Job, features: Output, scored: Output, most: int
) -> Highest:
    scores = workspace.outputs(job).read(scored, labels[0]).to_pandas()
    return take_highest(scores, read_features(workspace, job, features, labels[1]), most)
