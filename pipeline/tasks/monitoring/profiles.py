"""Profiles: the features of a night, counted over the bins of the reference of the model that scores them.

A profile is an output of its own, made in the pass that scores: scores do not depend on it, and a repeated night finds
both.  It holds counts and the names of frequent categories, no rows and no ids, so an erasure leaves it as it is.
Whatever goes wrong with it is a warning: a night is scored and released without a profile, and then its inputs are not
watched.  The same pass keeps the highest predictions, for those who explain them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pandas as pd

from pipeline.digests import digest_code, digest_json
from pipeline.errors import NightjarError, NotReadyError
from pipeline.job import Job
from pipeline.monitoring import Profile
from pipeline.stages.highest import Highest, merge_highest, take_highest
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
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import read_features
from pipeline.tasks.monitoring.references import draft_stand_in, ensure_reference
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.scoring import score_and_look
from pipeline.tasks.workspace import Workspace, environment_of

PROFILE_STAGE = "profile"

_LOG = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Profiled:
    """A scored night.

    Attributes:
        profile: its features, over the bins of the champion's reference; None if they could not be counted.
        warnings: why not, or that the reference is not of the rows that the model was trained on.
        seconds: what counting took of the pass.
        highest: as many predictions as the job has explained; None if the scores were there already.
    """

    scored: Output
    profile: Output | None
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    highest: Highest | None = None


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
class _CountedShard:
    """The features of one shard, counted.

    Attributes:
        seconds: that counting took.
    """

    counts: Counts
    statistics: Statistics
    seconds: float


@dataclass(frozen=True)
class _SeenShard:
    """What the pass that scores has seen of one shard.

    Attributes:
        counted: its features, or why they could not be counted; None if nothing is to be counted.
    """

    counted: _CountedShard | NightjarError | OSError | None
    highest: Highest


@dataclass
class _Counting:
    """The profile of a night in the making, beside its scores.

    Attributes:
        found: it, if it was made before.
        bins: of the reference, which are counted over otherwise.
        problem: what went wrong; nothing more is tried then.
    """

    workspace: Workspace
    job: Job
    features: Output
    inputs: dict[str, Any] = field(default_factory=dict)
    found: Output | None = None
    bins: Bins | None = None
    shards: list[_CountedShard] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problem: str | None = None

    def begin(self, champion: ModelVersion, force: bool) -> None:
        """Find the reference of the champion, and what was counted over it before."""
        reference, self.warnings = _take_reference(self.workspace, self.job, self.features, champion)
        self.inputs = _name_inputs(self.features, reference)
        self.bins = read_bins(reference)
        self.found = None if force else self.workspace.outputs(self.job).find(PROFILE_STAGE, self.inputs)

    @property
    def count(self) -> Callable[[pd.DataFrame], _CountedShard | NightjarError | OSError] | None:
        """What counts a shard, in whichever process scores it; None if nothing is to be counted."""
        if self.bins is None or self.found is not None or self.problem is not None:
            return None
        return partial(_try_to_count, self.job.name, self.features.inputs["partition"], self.bins)

    def add(self, seen: Iterable[_SeenShard]) -> None:
        """Take what was counted of the shards."""
        for shard in seen:
            if isinstance(shard.counted, Exception):
                raise shard.counted
            if shard.counted is not None:
                self.shards.append(shard.counted)

    def finish(self) -> Output | None:
        """The profile, in the lake."""
        if self.bins is None or self.found is not None:
            return self.found
        return _finish(self.workspace, self.job, self.features, self.inputs, self.bins, self.shards)

    def attempt(self, work: Callable[[], T]) -> T | None:
        """Do some of it; None if that, or anything before it, went wrong."""
        if self.problem is not None:
            return None
        partition = self.features.inputs["partition"]
        try:
            with conceal_rows(self.job.name, partition):
                return work()
        except (NightjarError, OSError) as error:
            self.problem = _warn(self.job, partition, error)
        return None


def score_and_profile(
    workspace: Workspace,
    job: Job,
    features: Output,
    champion: ModelVersion,
    *,
    force: bool = False,
    load: Callable[[ModelVersion], Model] | None = None,
) -> Profiled:
    """Score a night's features with its champion, count them, and keep the highest predictions, in the same pass.

    Args:
        load: as :func:`pipeline.tasks.scoring.score_features` takes it.
    """
    counting = _Counting(workspace, job, features)
    counting.attempt(lambda: counting.begin(champion, force))

    most = job.monitoring.explained
    look = partial(_look, count=counting.count, most=most)
    scored, seen = score_and_look(workspace, job, features, champion, force=force, load=load, look=look)
    counting.attempt(lambda: counting.add(seen))
    profile = counting.attempt(counting.finish)
    warnings = [*counting.warnings, *([] if counting.problem is None else [counting.problem])]
    seconds = sum(shard.seconds for shard in counting.shards)
    highest = merge_highest([shard.highest for shard in seen], most) if seen else None
    return Profiled(scored, profile, warnings, round(seconds, 3), highest)


def describe_profile(workspace: Workspace, job: Job, partition: str, address: str | None) -> KnownProfile:
    """What :func:`score_and_profile` has made, for the manifest of the release.

    Args:
        address: of the profile; None if it made none.
    """
    if address is None:
        return KnownProfile()
    try:
        with conceal_rows(job.name, partition):
            profile = workspace.outputs(job).load(PROFILE_STAGE, address)
    except (NightjarError, OSError) as error:
        return KnownProfile(warning=_warn(job, partition, error))
    return KnownProfile({"address": profile.address, "digest": profile.digest})


def profile_features(workspace: Workspace, job: Job, features: Output, reference: Profile) -> Output:
    """Count a night's features over the bins of a reference, whatever model scored them."""
    inputs = _name_inputs(features, reference)
    found = workspace.outputs(job).find(PROFILE_STAGE, inputs)
    return found or _finish(workspace, job, features, inputs, read_bins(reference), [])


def _warn(job: Job, partition: str, error: Exception) -> str:
    told = error.problem if isinstance(error, NightjarError) else type(error).__name__
    _LOG.warning("features of %s %s are not counted: %s", job.name, partition, error)
    return f"the counts of the features are not known, so the inputs of the night cannot be watched: {told}"


def _take_reference(
    workspace: Workspace, job: Job, features: Output, champion: ModelVersion
) -> tuple[Profile, list[str]]:
    try:
        return ensure_reference(workspace, job, champion), []
    except NotReadyError as error:
        told = f"{error.problem}: its inputs are compared with those of the first night that is watched from now on"
        return draft_stand_in(workspace, job, features), [told]


def _name_inputs(features: Output, reference: Profile) -> dict[str, Any]:
    code = ("pipeline.stages.monitor.bins", "pipeline.stages.profile", "pipeline.stages.column_profiles", __name__)
    return {
        "partition": features.inputs["partition"],
        "features": features.digest,
        "reference": digest_json(reference),
        "code": digest_code(*code),
        "environment": environment_of(),
    }


def _finish(
    workspace: Workspace, job: Job, features: Output, inputs: dict[str, Any], bins: Bins, shards: list[_CountedShard]
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


def _read_and_count(workspace: Workspace, label: str, *, job: Job, features: Output, bins: Bins) -> _CountedShard:
    return _count_shard(bins, read_features(workspace, job, features, label))


def _count_shard(bins: Bins, features: pd.DataFrame) -> _CountedShard:
    start = time.perf_counter()
    counts, statistics = count_frame(bins, features), profile_frame(features, list_numbers(bins))
    return _CountedShard(counts, statistics, time.perf_counter() - start)


def _look(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    count: Callable[[pd.DataFrame], _CountedShard | NightjarError | OSError] | None,
    most: int,
) -> _SeenShard:
    return _SeenShard(None if count is None else count(features), take_highest(scores, features, most))


def _try_to_count(
    job: str, partition: str, bins: Bins, features: pd.DataFrame
) -> _CountedShard | NightjarError | OSError:
    """What was counted, or why nothing was: scores do not wait for it."""
    try:
        with conceal_rows(job, partition):
            return _count_shard(bins, features)
    except (NightjarError, OSError) as error:
        return error
