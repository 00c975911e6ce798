"""Grade what was served: the predictions of a partition against what then happened.

What was served is told by the release log and the manifests; the scores are read from the lake, where the publisher
compared every one of them with what Redis held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.errors import NotReadyError
from pipeline.job import Job
from pipeline.keyspace import token_of
from pipeline.stages.evaluate import compute_metrics
from pipeline.stores.release_log import MADE_LIVE, ReleaseEvent, list_taken_back
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.comparing import ENTITY_ID, SCORES
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.labelling import LABEL, find_label_sources, read_labels
from pipeline.tasks.manifests import AS_CORRECTED, read_manifest
from pipeline.tasks.night_inputs import load_night
from pipeline.tasks.partitions import newest_closed_partition, parse_partition
from pipeline.tasks.runs import Summary
from pipeline.tasks.scoring import SCORE_STAGE
from pipeline.tasks.tiling import read_rows
from pipeline.tasks.workspace import Workspace


def grade(workspace: Workspace, job: Job, partition: str) -> Summary:
    """Metrics of the newest published release of a partition, over the entities whose outcome is known by now.

    Raises:
        NotReadyError: the partition was not released, or no outcome is known yet.
    """
    parse_partition(partition, job)
    generation = list_published(workspace.release_log(job).events()).get(partition)
    if generation is None:
        raise NotReadyError(
            "there is no release of this partition to grade",
            job=job.name,
            partition=partition,
            next_step=f"nightjar run {job.name} --partition {partition}",
        )
    manifest = read_manifest(workspace, job, generation)
    known_by = newest_closed_partition(job, workspace.clock())
    sources = find_label_sources(workspace, job, partition, known_by)
    scored = read_served(workspace, job, manifest)
    graded = match_labels(workspace, job, scored, sources)
    if graded.empty:
        raise NotReadyError(
            "no outcome of this partition is known yet",
            job=job.name,
            partition=partition,
            expected=f"labels in {job.label.source} up to {job.label.closes_after} partitions later",
            found=f"{len(sources)} deliveries of {job.label.source}",
            next_step="grade it again when the labels have closed",
        )
    metrics = compute_metrics(job.task, pd.Series(graded[LABEL]), pd.Series(graded["prediction"]))
    return {
        "job": job.name,
        "partition": partition,
        "generation": generation,
        "model_version": manifest["model"]["version"],
        "scored": len(scored),
        **metrics,
    }


def list_published(events: Sequence[ReleaseEvent]) -> dict[str, str]:
    """By partition, the newest generation that readers were given.

    What the gate held back, what was rolled back and what was made for an audit was never served, or not to stay.
    """
    taken_back = list_taken_back(events)
    published: dict[str, str] = {}
    for event in events:
        if event.kind not in MADE_LIVE | {"kept"} or event.header is None or event.generation in taken_back:
            continue
        if event.header["basis"] == AS_CORRECTED:
            rivals = (published.get(event.partition, event.generation), event.generation)
            published[event.partition] = max(rivals, key=lambda generation: token_of(generation) or 0)
    return published


def read_served(workspace: Workspace, job: Job, manifest: dict[str, Any]) -> pd.DataFrame:
    """What a release predicts: the entity id as string, ``prediction``; of what was erased since, nothing.

    Raises:
        FileNotFoundError: retention has removed it.
        DamagedError: it is not what its manifest says.
    """
    outputs = workspace.outputs(job)
    scored: pd.DataFrame = outputs.read_all(
        outputs.load(SCORE_STAGE, manifest["scores"]["address"]), SCORES
    ).to_pandas()
    return scored.rename(columns={ENTITY_ID: job.entity_id})


def match_labels(workspace: Workspace, job: Job, scored: pd.DataFrame, sources: list[Output]) -> pd.DataFrame:
    """The rows of ``scored`` whose outcome is known, with the outcome in the column ``label``."""
    labels = read_labels(workspace, job, load_feature_set(job), sources)
    return scored.merge(labels, on=job.entity_id, validate="one_to_one")


def add_segments(workspace: Workspace, job: Job, manifest: dict[str, Any], rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the job's segment columns, as the population of the release had them."""
    if not job.segments:
        return rows
    own, _ = load_night(workspace.outputs(job), job, manifest["night"])
    wanted = [job.entity_id, *job.segments]
    population = read_rows(workspace, job, job.population.name, own[job.population.name].rows, wanted)
    values = population[list(job.segments)].assign(**{job.entity_id: population[job.entity_id].astype("str")})
    return rows.merge(values, on=job.entity_id, how="left", validate="one_to_one")
