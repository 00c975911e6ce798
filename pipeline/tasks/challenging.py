"""Hold a challenger against the champion, on rows that neither was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.digests import digest_code
from pipeline.errors import BadInputError, OutdatedModelError, RefusedError
from pipeline.job import Job
from pipeline.stages.evaluate import (
    Comparison,
    Interval,
    SegmentDifference,
    Verdict,
    bootstrap_difference,
    compute_row_losses,
    judge_challenger,
    measure_features,
)
from pipeline.stages.score import score_rows
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.fitting import measure_scores
from pipeline.tasks.snapshots import Dataset, load_dataset
from pipeline.tasks.workspace import Workspace, environment_of

MEASURE_STAGE = "measure_features"


@dataclass(frozen=True)
class ScoredHoldout:
    """Rows that neither model was trained on, and what each makes of them.

    Attributes:
        champion: its scores; None if there is none, or it can no longer score.
        unusable: why it can no longer score.
    """

    rows: Dataset
    challenger: pd.Series
    champion: pd.Series | None
    unusable: str | None


@dataclass(frozen=True)
class Challenge:
    """What came of it."""

    comparison: Comparison
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """All that was found, values of segments included: for the lake alone."""
        compared = self.comparison
        return {
            "metrics": {
                "challenger": dict(compared.challenger),
                "champion": None if compared.champion is None else dict(compared.champion),
            },
            "promote": self.verdict.promote,
            "why": self.verdict.why,
            "checks": [check.to_json() for check in self.verdict.checks],
            "interval": None if compared.interval is None else dict(vars(compared.interval)),
            "segments": [{**vars(item), "interval": dict(vars(item.interval))} for item in compared.segments],
            "feature_power": dict(compared.feature_power),
        }


def challenge(
    workspace: Workspace, job: Job, dataset: Output, challenger: ModelVersion, champion: ModelVersion | None
) -> Challenge:
    """Score the holdout with both models, and ask the gate.

    Raises:
        RefusedError: the champion was trained on all of the holdout, or may not be loaded here: it is not signed, was
            made with other libraries, or does not score its golden rows.
        DamagedError: a file of a model is missing or changed.
    """
    scored = score_holdout(workspace, job, dataset, challenger, champion)
    power = measure_dataset(workspace, job, dataset)
    if scored.champion is None:
        metrics = measure_scores(job, scored.rows.labels, scored.challenger)
        comparison = Comparison(job.task, metrics, unusable=scored.unusable, feature_power=power)
    else:
        comparison = compare_scores(job, scored.rows, scored.challenger, scored.champion, power)
    return Challenge(comparison, judge_challenger(comparison, job.training.gate))


def score_holdout(
    workspace: Workspace, job: Job, dataset: Output, challenger: ModelVersion, champion: ModelVersion | None
) -> ScoredHoldout:
    """Scores of both models, loaded as they would be to score a night.

    Raises:
        RefusedError, DamagedError: as :func:`challenge` says.
    """
    holdout = load_dataset(workspace, job, dataset, "holdout", segments=job.segments)
    if champion is not None:
        holdout = _leave_out_trained(holdout, champion, job)
    scores = _score(workspace, job, challenger, holdout)
    old, unusable = _score_champion(workspace, job, champion, holdout)
    return ScoredHoldout(holdout, scores, old, unusable)


def compare_scores(
    job: Job, holdout: Dataset, scores: pd.Series, old: pd.Series, power: Mapping[str, float]
) -> Comparison:
    """The challenger's scores beside the champion's, of the rows of ``holdout``.

    Args:
        power: how well each feature alone tells the outcome; empty where that was asked before.
    """
    losses = [compute_row_losses(job.task, holdout.labels, given) for given in (old, scores)]
    return Comparison(
        task=job.task,
        challenger=measure_scores(job, holdout.labels, scores),
        champion=measure_scores(job, holdout.labels, old),
        interval=_bootstrap(job, losses, holdout, np.arange(len(scores)), tests=1),
        is_same=scores.equals(old),
        segments=_compare_segments(job, losses, holdout),
        feature_power=power,
    )


def _compare_segments(job: Job, losses: list[np.ndarray], holdout: Dataset) -> list[SegmentDifference]:
    """Every segment of enough rows, at a confidence that allows for their number (Bonferroni)."""
    found = [
        (column, str(value), rows.to_numpy())
        for column in job.segments
        for value, rows in pd.Series(np.arange(len(holdout.labels))).groupby(holdout.segments[column], observed=True)
        if len(rows) >= job.training.gate.min_segment
    ]
    return [
        SegmentDifference(column, value, _bootstrap(job, losses, holdout, rows, tests=len(found)))
        for column, value, rows in found
    ]


def _bootstrap(job: Job, losses: list[np.ndarray], holdout: Dataset, rows: np.ndarray, *, tests: int) -> Interval:
    old, new = (loss[rows] for loss in losses)
    days = holdout.partitions.to_numpy()[rows]
    confidence = 1 - (1 - job.training.gate.confidence) / tests
    return bootstrap_difference(job.task, old, new, days, confidence=confidence, seed=job.training.seed)


def _leave_out_trained(holdout: Dataset, champion: ModelVersion, job: Job) -> Dataset:
    through = champion.registration.trained_through
    if through is None:
        return holdout
    unseen = holdout.after(through)
    if unseen.labels.empty:
        raise RefusedError(
            "challenger and champion cannot be compared",
            job=job.name,
            partition=str(holdout.partitions.max()),
            expected="a holdout with partitions that the champion was not trained on",
            found=f"model {champion.version} was trained on partitions up to {through}",
            next_step="train for a later partition",
        )
    return unseen


def _score_champion(
    workspace: Workspace, job: Job, champion: ModelVersion | None, holdout: Dataset
) -> tuple[pd.Series | None, str | None]:
    """What a champion cannot do anywhere is no reason to keep it; what it cannot do here may be one to look into."""
    if champion is None:
        return None, None
    try:
        return _score(workspace, job, champion, holdout), None
    except (OutdatedModelError, BadInputError) as error:
        return None, f"champion {champion.version} can no longer score: {error.problem}"


def _score(workspace: Workspace, job: Job, version: ModelVersion, holdout: Dataset) -> pd.Series:
    model = workspace.models(job).load(version)
    return score_rows(model, holdout.features, job, feature_set_digest=load_feature_set(job).digest)


def measure_dataset(workspace: Workspace, job: Job, dataset: Output) -> dict[str, float]:
    """How well each feature alone tells the outcome, on the rows trained on: a leak is learnt there."""
    inputs = {
        "dataset_version": dataset.digest,
        "code": digest_code("pipeline.stages.evaluate.leakage", __name__),
        "environment": environment_of("scikit-learn"),
    }
    outputs = workspace.outputs(job)
    found = outputs.find(MEASURE_STAGE, inputs)
    if found is None:
        rows = load_dataset(workspace, job, dataset, "train")
        kinds = {column.name: column.kind for column in load_feature_set(job).columns}
        power = measure_features(job.task, rows.features, rows.labels, kinds)
        found = outputs.commit(MEASURE_STAGE, inputs, {}, {"feature_power": list(power.items())})
    return dict(found.facts["feature_power"])
