"""The predictions of a night beside those of the nights before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.job import Job
from pipeline.monitoring import Observed, Outputs, Signal
from pipeline.stages.column_profiles import NumberProfile, profile_column
from pipeline.stages.monitor.output_signals import judge_outputs
from pipeline.stages.monitor.outputs import PREDICTION, OutputTally, learn_edges, recall_edges
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.comparing import SCORES, ScoredPopulation, read_shards
from pipeline.tasks.workspace import Workspace


@dataclass(frozen=True)
class OutputsSeen:
    """What is seen of a night's predictions."""

    outputs: Outputs
    signals: tuple[Signal, ...]


def observe_outputs(workspace: Workspace, job: Job, release: ScoredPopulation, past: Sequence[Observed]) -> OutputsSeen:
    """Describe the predictions of a night, shard by shard, and compare them.

    Args:
        past: records of the partitions before, oldest first; the newest ones, as many as limits are learnt from.
    """
    newest = past[-job.monitoring.history :]
    edges = recall_edges(job, newest) or learn_edges(_profile_shards(workspace, job, release.scores))
    tally = OutputTally(job, edges)
    for frame in _read_shards(workspace, job, release):
        tally.add(frame)
    outputs = tally.describe()
    return OutputsSeen(outputs, judge_outputs(outputs, newest, job.monitoring))


def _read_shards(workspace: Workspace, job: Job, release: ScoredPopulation) -> Iterator[pd.DataFrame]:
    """Shard by shard ``prediction``, and the job's segment columns."""
    if job.segments:
        yield from read_shards(workspace, job, release)
        return
    for label in release.scores.shards(SCORES):
        yield workspace.outputs(job).read(release.scores, label, [PREDICTION]).to_pandas()


def _profile_shards(workspace: Workspace, job: Job, scored: Output) -> list[NumberProfile]:
    outputs = workspace.outputs(job)
    found = [profile_column(outputs.read(scored, label).to_pandas()[PREDICTION]) for label in scored.shards(SCORES)]
    return [profile for profile in found if isinstance(profile, NumberProfile)]
