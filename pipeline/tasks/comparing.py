"""What two releases are compared by: their scores in the lake, shard by shard, with the segments of their entities.

The scores of a release in the lake are what Redis holds of it: the publisher compared every byte of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from pipeline.contracts import load_contract
from pipeline.errors import DeclarationError
from pipeline.job import Job
from pipeline.stages.compare import Scores, Tally, tally_scores
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.validating import VALID
from pipeline.tasks.workspace import Workspace

SCORES = "scores"
ENTITY_ID = "entity_id"


@dataclass(frozen=True)
class ScoredPopulation:
    """The scores of a release, and the validated population that they are of.

    Attributes:
        scores: output of the score stage: ``entity_id``, ``prediction``.
        population: output of the validation of the job's population; its shards hold the same entities.
    """

    scores: Output
    population: Output


def compare_populations(workspace: Workspace, job: Job, before: ScoredPopulation, after: ScoredPopulation) -> Tally:
    """Count how two releases differ.  Memory is bounded by a shard, as long as both have as many of them.

    Raises:
        DeclarationError: the job names a segment that its population does not have.
        DamagedError, FileNotFoundError: the lake has lost something.
    """
    check_segments(job)
    by = Scores.of(job)
    tally = Tally(by)
    pairs: Iterable[tuple[pd.DataFrame, pd.DataFrame]]
    if len(before.scores.files) == len(after.scores.files):
        pairs = zip(read_shards(workspace, job, before), read_shards(workspace, job, after), strict=True)
    else:
        pairs = [(_read_whole(workspace, job, before), _read_whole(workspace, job, after))]
    for earlier, later in pairs:
        tally.merge(tally_scores(earlier, later, by))
    return tally


def read_shards(workspace: Workspace, job: Job, release: ScoredPopulation) -> Iterator[pd.DataFrame]:
    """Shard by shard: ``entity_id`` as text, ``prediction``, and the job's segment columns."""
    outputs = workspace.outputs(job)
    for scores, rows in zip(release.scores.shards(SCORES), release.population.shards(VALID), strict=True):
        frame = outputs.read(release.scores, scores).to_pandas().astype({ENTITY_ID: "str"})
        if job.segments:
            frame = frame.merge(read_segments(workspace, job, release.population, rows), on=ENTITY_ID, how="left")
        yield frame


def read_segments(workspace: Workspace, job: Job, population: Output, label: str) -> pd.DataFrame:
    """One shard of the population: ``entity_id`` as text, and the job's segment columns."""
    columns = list(dict.fromkeys([job.entity_id, *job.segments]))
    frame: pd.DataFrame = workspace.outputs(job).read(population, label, columns).to_pandas()
    return frame[list(job.segments)].assign(**{ENTITY_ID: frame[job.entity_id].astype("str")})


def check_segments(job: Job) -> None:
    """Refuse segments that the population's contract does not have.

    Raises:
        DeclarationError: naming them.
    """
    columns = load_contract(job.population).columns
    if missing := sorted(set(job.segments) - set(columns)):
        raise DeclarationError(
            "the job compares its releases by columns that its population does not have",
            job=job.name,
            expected="segments among " + ", ".join(columns),
            found=", ".join(missing),
            next_step="correct segments in the job's declaration, or add the column to the contract",
        )


def _read_whole(workspace: Workspace, job: Job, release: ScoredPopulation) -> pd.DataFrame:
    return pd.concat(list(read_shards(workspace, job, release)), ignore_index=True)
