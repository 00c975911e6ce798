"""Compare two releases: which entities, how their scores shifted, and what the shift came from.

What the shift came from is found by scoring again: the model of one release on the features of the other.  Features of
older data under newer definitions are built for it; nothing else is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline.errors import DamagedError, NightjarError
from pipeline.job import Job
from pipeline.stages.compare import Difference, attribute_change
from pipeline.stages.score import score_rows
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.candidates import read_scored_population
from pipeline.tasks.comparing import ENTITY_ID, compare_populations, read_segments
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.feature_building import build_partition, read_features
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.manifests import require_manifest
from pipeline.tasks.night_inputs import load_night
from pipeline.tasks.runs import Summary
from pipeline.tasks.validating import VALID
from pipeline.tasks.workspace import Workspace

SHAPLEY = "the mean over both orders in which model and data could have changed (Shapley value)"
SEQUENTIAL = "one after the other: definitions of the features first, then the model, then the data"
BARS = 20
HARDLY_ANY = 0.01
"""Share of the entities up to which two nights as good as have none in common."""

State = tuple[str, ...]
Group = tuple[str, str]
WHOLE: Group = ("", "")


def diff_releases(workspace: Workspace, job: Job, first: str, second: str) -> Summary:
    """How the release ``second`` differs from ``first``.

    Returns:
        ``releases``, what either was made of; ``overall`` and ``segments``, with entities lost and gained, decisions
        flipped and the shift of the scores; ``remark``, what must be known to read them, if anything; ``histograms``;
        and ``attribution``: by group (the whole, and each segment) the change of the mean score and of the share of
        decisions, and how much of it came from ``model``, ``data`` and ``features``, which add up to it.  Where scoring
        again is not possible, it says why.

    Raises:
        NotReadyError: there is no such release.
        DamagedError: the lake does not hold their scores any more.
    """
    before, after = (require_manifest(workspace, job, generation) for generation in (first, second))
    try:
        sides = [read_scored_population(workspace, job, manifest) for manifest in (before, after)]
    except (FileNotFoundError, KeyError) as error:
        raise DamagedError(
            "the lake does not hold both releases any more",
            job=job.name,
            expected=f"inputs and scores of {first} and {second}",
            found=f"{type(error).__name__}: {error}",
            next_step="compare releases that retention has not removed yet",
        ) from error
    tally = compare_populations(workspace, job, *sides)
    histograms = tally.histograms(BARS)
    return {
        "job": job.name,
        "releases": [_describe(manifest) for manifest in (before, after)],
        "overall": tally.overall.to_json(),
        "segments": [segment.to_json() for segment in tally.segments],
        "remark": _remark(before["partition"] == after["partition"], tally.overall),
        "histograms": {"low": job.score_range[0], "high": job.score_range[1], "before": histograms[0]}
        | {"after": histograms[1]},
        "attribution": _attribute(workspace, job, before, after),
    }


@dataclass
class _Means:
    """Sums of scores and decisions by group."""

    rows: dict[Group, int] = field(default_factory=dict)
    scores: dict[Group, float] = field(default_factory=dict)
    decided: dict[Group, int] = field(default_factory=dict)

    def add(self, group: Group, scores: pd.Series, threshold: float | None) -> None:
        self.rows[group] = self.rows.get(group, 0) + len(scores)
        self.scores[group] = self.scores.get(group, 0.0) + float(scores.sum())
        if threshold is not None:
            self.decided[group] = self.decided.get(group, 0) + int((scores >= threshold).sum())

    def mean(self, group: Group) -> float:
        return self.scores[group] / self.rows[group]

    def decided_share(self, group: Group) -> float:
        return self.decided[group] / self.rows[group]


@dataclass(frozen=True)
class _Mixture:
    """Scores a mixture of two releases: some factors of the first, the others of the second."""

    workspace: Workspace
    job: Job
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def score(self, changed: State) -> _Means:
        """The scores where the factors in ``changed`` are those of the second release."""
        model = self._load_model(self.after if "model" in changed else self.before)
        data = self.after if "data" in changed else self.before
        features = self._load_features(data, self.after if "features" in changed else self.before)
        own, _ = load_night(self.workspace.outputs(self.job), self.job, data["night"])
        return self._score(model, features, own[self.job.population.name].rows)

    def _load_model(self, manifest: Mapping[str, Any]) -> Model:
        ledger = self.workspace.ledger(self.job)
        return self.workspace.models(self.job).load(ledger.version(manifest["model"]["version"]))

    def _load_features(self, data: Mapping[str, Any], definitions: Mapping[str, Any]) -> Output:
        outputs = self.workspace.outputs(self.job)
        if data["feature_set"]["digest"] == definitions["feature_set"]["digest"]:
            return outputs.load(BUILD_STAGE, data["features"]["address"])
        _, inputs_of = load_night(outputs, self.job, data["night"])
        return build_partition(self.workspace, self.job, load_feature_set(self.job), inputs_of)

    def _score(self, model: Model, features: Output, population: Output) -> _Means:
        job, means = self.job, _Means()
        pairs = zip(features.shards(FEATURES), population.shards(VALID), strict=True)
        for label, rows in pairs:
            frame = read_features(self.workspace, job, features, label)
            # Only the columns must fit: that the definitions differ is what is measured.
            scores = score_rows(model, frame, job, feature_set_digest=model.feature_set_digest)
            segments = read_segments(self.workspace, job, population, rows).set_index(ENTITY_ID)
            segments = segments.reindex(frame[job.entity_id].to_numpy()).set_axis(scores.index)
            means.add(WHOLE, scores, job.decision_threshold)
            for column in job.segments:
                for value, chosen in scores.groupby(segments[column], observed=True):
                    means.add((column, str(value)), chosen, job.decision_threshold)
        return means


def _attribute(workspace: Workspace, job: Job, before: Mapping[str, Any], after: Mapping[str, Any]) -> Summary:
    """What the change came from; or, where it cannot be computed, why."""
    definitions = [manifest["feature_set"]["digest"] for manifest in (before, after)]
    factors: State
    orders: list[State] | None
    if definitions[0] == definitions[1]:
        factors, orders, method = ("model", "data"), None, SHAPLEY
    elif load_feature_set(job).digest == definitions[1]:
        factors, orders, method = ("features", "model", "data"), [("features", "model", "data")], SEQUENTIAL
    else:
        return {"method": None, "why_not": "the later release's definitions of the features are not those of this code"}
    mixture, known = _Mixture(workspace, job, before, after), dict[State, _Means]()

    def score(state: State) -> _Means:
        if state not in known:
            known[state] = mixture.score(state)
        return known[state]

    try:
        everything = score(tuple(sorted(factors)))
        groups = [group for group in score(()).rows if group in everything.rows]
        return {"method": method, "groups": [_divide(job, group, factors, orders, score) for group in sorted(groups)]}
    except (FileNotFoundError, NightjarError) as error:
        problem = error.problem if isinstance(error, NightjarError) else "the lake has lost what they were made from"
        return {"method": None, "why_not": problem}


def _divide(
    job: Job,
    group: Group,
    factors: State,
    orders: list[State] | None,
    score: Callable[[State], _Means],
) -> Summary:
    def share_out(value: Callable[[State], float]) -> dict[str, float]:
        shares = {share.factor: share.contribution for share in attribute_change(factors, value, orders)}
        parts = {factor: round(shares.get(factor, 0.0), 6) for factor in ("model", "data", "features")}
        return {"change": round(value(tuple(sorted(factors))) - value(()), 6), **parts}

    found: Summary = {"column": group[0], "value": group[1]}
    found["mean"] = share_out(lambda state: score(state).mean(group))
    if job.decision_threshold is not None:
        found["decided"] = share_out(lambda state: score(state).decided_share(group))
    return found


def _remark(is_same_partition: bool, overall: Difference) -> str | None:
    """What to make of two nights that share hardly any entity."""
    smaller = min(overall.before, overall.after)
    if is_same_partition or overall.both > HARDLY_ANY * smaller:
        return None
    return (
        f"{overall.both} of {smaller} entities are in both, so ids seem to hold their day: then lost, gained and "
        "flipped say nothing of two partitions; compare two releases of one partition for them"
    )


def _describe(manifest: Mapping[str, Any]) -> Summary:
    return {
        "generation": manifest["generation"],
        "partition": manifest["partition"],
        "basis": manifest["basis"],
        "model_version": manifest["model"]["version"],
        "feature_set": f"{manifest['feature_set']['name']} {manifest['feature_set']['version']}",
        "deliveries": {name: source["delivery"]["digest"][:12] for name, source in manifest["sources"].items()},
        "rows": manifest["accounting"]["scored"],
    }
