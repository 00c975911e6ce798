"""The pass that scores a night: its features are counted in it, and the highest predictions are kept.

Nothing is read twice.  What goes wrong with the counts is a warning, as :mod:`pipeline.tasks.monitoring.profiles` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pandas as pd

from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.stages.highest import Highest, merge_highest, take_highest
from pipeline.stages.monitor.bins import Bins, read_bins
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.models import Model
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.monitoring.profiles import (
    PROFILE_STAGE,
    CountedShard,
    finish_profile,
    name_inputs,
    take_reference,
    try_to_count,
    warn_uncounted,
)
from pipeline.tasks.scoring import score_and_look
from pipeline.tasks.workspace import Workspace

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
class _SeenShard:
    """What the pass that scores has seen of one shard.

    Attributes:
        counted: its features, or why they could not be counted; None if nothing is to be counted.
    """

    counted: CountedShard | NightjarError | OSError | None
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
    shards: list[CountedShard] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problem: str | None = None

    def begin(self, champion: ModelVersion, force: bool) -> None:
        """Find the reference of the champion, and what was counted over it before."""
        reference, self.warnings = take_reference(self.workspace, self.job, self.features, champion)
        self.inputs = name_inputs(self.features, reference)
        self.bins = read_bins(reference)
        self.found = None if force else self.workspace.outputs(self.job).find(PROFILE_STAGE, self.inputs)

    @property
    def count(self) -> Callable[[pd.DataFrame], CountedShard | NightjarError | OSError] | None:
        """What counts a shard, in whichever process scores it; None if nothing is to be counted."""
        if self.bins is None or self.found is not None or self.problem is not None:
            return None
        return partial(try_to_count, self.job.name, self.features.inputs["partition"], self.bins)

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
        return finish_profile(self.workspace, self.job, self.features, self.inputs, self.bins, self.shards)

    def attempt(self, work: Callable[[], T]) -> T | None:
        """Do some of it; None if that, or anything before it, went wrong."""
        if self.problem is not None:
            return None
        partition = self.features.inputs["partition"]
        try:
            with conceal_rows(self.job.name, partition):
                return work()
        except (NightjarError, OSError) as error:
            self.problem = warn_uncounted(self.job, partition, error)
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


def _look(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    count: Callable[[pd.DataFrame], CountedShard | NightjarError | OSError] | None,
    most: int,
) -> _SeenShard:
    return _SeenShard(None if count is None else count(features), take_highest(scores, features, most))
