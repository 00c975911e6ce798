"""Profiles: the features of a night, counted over the bins of the reference of the model that scores them.

A profile is an output of its own, made in the pass that scores: scores do not depend on it, and a repeated night finds
both.  It holds counts and the names of frequent categories, no rows and no ids, so an erasure leaves it as it is.
Whatever goes wrong with it is a warning: a night is scored and released without a profile, and then its inputs are not
watched.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from pipeline.digests import digest_code, digest_json
from pipeline.errors import NightjarError, NotReadyError
from pipeline.job import Job
from pipeline.monitoring import Profile
from pipeline.stages.monitor.bins import (
    Bins,
    Counts,
    count_frame,
    describe_counts,
    list_numbers,
    merge_counts,
    read_bins,
)
from pipeline.stages.profile import Profile as Statistics
from pipeline.stages.profile import merge_profiles, profile_frame
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import read_features
from pipeline.tasks.monitoring.references import draft_stand_in, ensure_reference
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.workspace import Workspace, environment_of

PROFILE_STAGE = "profile"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class KnownProfile:
    """The profile of a release.

    Attributes:
        described: what the release's manifest says of it; None if there is none.
        warning: why it cannot be read, if it cannot.
    """

    described: dict[str, str] | None = None
    warning: str | None = None


@dataclass(frozen=True)
class CountedShard:
    """The features of one shard, counted.

    Attributes:
        seconds: that counting took.
    """

    counts: Counts
    statistics: Statistics
    seconds: float


def describe_profile(workspace: Workspace, job: Job, partition: str, address: str | None) -> KnownProfile:
    """What :func:`pipeline.tasks.monitoring.scoring_pass.score_and_profile` has made, for the manifest of the release.

    Args:
        address: of the profile; None if it made none.
    """
    if address is None:
        return KnownProfile()
    try:
        with conceal_rows(job.name, partition):
            profile = workspace.outputs(job).load(PROFILE_STAGE, address)
    except (NightjarError, OSError) as error:
        return KnownProfile(warning=warn_uncounted(job, partition, error))
    return KnownProfile({"address": profile.address, "digest": profile.digest})


def profile_features(workspace: Workspace, job: Job, features: Output, reference: Profile) -> Output:
    """Count a night's features over the bins of a reference, whatever model scored them."""
    inputs = name_inputs(features, reference)
    found = workspace.outputs(job).find(PROFILE_STAGE, inputs)
    return found or finish_profile(workspace, job, features, inputs, read_bins(reference), [])


def warn_uncounted(job: Job, partition: str, error: Exception) -> str:
    """Log that a night's features are not counted, and why; returns the warning for its summary."""
    told = error.problem if isinstance(error, NightjarError) else type(error).__name__
    _LOG.warning("features of %s %s are not counted: %s", job.name, partition, error)
    return f"the counts of the features are not known, so the inputs of the night cannot be watched: {told}"


def take_reference(
    workspace: Workspace, job: Job, features: Output, champion: ModelVersion
) -> tuple[Profile, list[str]]:
    """The reference that a night's features are counted over, with a warning where it is a stand-in."""
    try:
        return ensure_reference(workspace, job, champion), []
    except NotReadyError as error:
        told = f"{error.problem}: its inputs are compared with those of the first night that is watched from now on"
        return draft_stand_in(workspace, job, features), [told]


def name_inputs(features: Output, reference: Profile) -> dict[str, Any]:
    """What a profile is made of."""
    code = ("pipeline.stages.monitor.bins", "pipeline.stages.profile", "pipeline.stages.column_profiles", __name__)
    return {
        "partition": features.inputs["partition"],
        "features": features.digest,
        "reference": digest_json(reference),
        "code": digest_code(*code),
        "environment": environment_of(),
    }


def finish_profile(
    workspace: Workspace, job: Job, features: Output, inputs: dict[str, Any], bins: Bins, shards: list[CountedShard]
) -> Output:
    """Put the profile into the lake; what was scored before is counted from its features."""
    if not shards:
        work = partial(_read_and_count, job=job, features=features, bins=bins)
        shards = run_shards(workspace, work, features.shards(FEATURES), rows=features.facts["rows"])
    described = describe_counts(
        bins,
        merge_counts([shard.counts for shard in shards]),
        merge_profiles([shard.statistics for shard in shards]),
    )
    return workspace.outputs(job).commit(PROFILE_STAGE, inputs, {}, {"made_of": features.address, **described})


def try_to_count(
    job: str, partition: str, bins: Bins, features: pd.DataFrame
) -> CountedShard | NightjarError | OSError:
    """What was counted, or why nothing was: scores do not wait for it."""
    try:
        with conceal_rows(job, partition):
            return _count_shard(bins, features)
    except (NightjarError, OSError) as error:
        return error


def _read_and_count(workspace: Workspace, label: str, *, job: Job, features: Output, bins: Bins) -> CountedShard:
    return _count_shard(bins, read_features(workspace, job, features, label))


def _count_shard(bins: Bins, features: pd.DataFrame) -> CountedShard:
    start = time.perf_counter()
    counts, statistics = count_frame(bins, features), profile_frame(features, list_numbers(bins))
    return CountedShard(counts, statistics, time.perf_counter() - start)
