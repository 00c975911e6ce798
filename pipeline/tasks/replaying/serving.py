"""Serve: the scores of a replayed night, and what then happened."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial

import pandas as pd

from pipeline.errors import BadInputError
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.comparing import SCORES
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.labelling import LABEL, recall_labels
from pipeline.tasks.replaying.days import Replay, closing_day
from pipeline.tasks.scoring import score_features
from pipeline.tasks.workspace import Workspace

SERVED = "served"
Identity = tuple[str, str]
"""What a model is, whatever number a policy's ledger gave it."""


@dataclass(frozen=True)
class GradedNight:
    """Labels and scores of the rows whose outcome became known, in the same order."""

    labels: pd.Series
    scores: pd.Series


def grade_night(replay: Replay, version: ModelVersion, night: date) -> GradedNight | None:
    """What ``version`` said of a night, beside the labels; None if it could not be scored or they have not closed."""
    day = night.isoformat()
    scored = score_night(replay, version, day)
    if scored is None or "labels" not in replay.days[day] or closing_day(replay.job, day) > replay.known_by:
        return None
    workspace = _open(replay, day)
    labels = recall_labels(workspace, replay.job, replay.days[day]["labels"])
    scores = workspace.outputs(replay.job).read_all(scored, SCORES).to_pandas()
    rows = scores.merge(labels, left_on="entity_id", right_on=replay.job.entity_id, validate="one_to_one")
    return None if rows.empty else GradedNight(rows[LABEL], rows["prediction"])


def score_night(replay: Replay, version: ModelVersion, night: str) -> Output | None:
    """The scores that a night gets from a model; None if production's night would have failed.

    That is so if its deliveries were refused, or if its scores may not be published.

    Policies share them: they are kept under what the model is, and not under the number that a ledger gave it.
    """
    described = replay.days[night]
    if "features" not in described:
        return None
    workspace = _open(replay, night)
    features = workspace.outputs(replay.job).load(BUILD_STAGE, described["features"])
    named = version.model_copy(update={"version": version.registration.model_digest[:12]})
    with suppress(BadInputError):
        return score_features(workspace, replay.job, features, named, load=partial(_load, workspace, replay))
    return None


def grade_models(
    replay: Replay, night: date, versions: Mapping[Identity, ModelVersion]
) -> dict[Identity, GradedNight | None]:
    """What each of several models said of one night."""
    return {identity: grade_night(replay, version, night) for identity, version in versions.items()}


def _load(workspace: Workspace, replay: Replay, version: ModelVersion) -> Model:
    name = ("model", *version.registration.identity)
    return workspace.remember(name, partial(workspace.models(replay.job).load, version))


def _open(replay: Replay, night: str) -> Workspace:
    return replay.open(SERVED, replay.job.cutoff(date.fromisoformat(night)))
