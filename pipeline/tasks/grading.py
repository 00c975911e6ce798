"""Grade what was served: the predictions of a partition against what then happened."""

from __future__ import annotations

import pandas as pd

from pipeline.errors import NotReadyError
from pipeline.job import Job
from pipeline.keyspace import State
from pipeline.stages.evaluate import compute_metrics
from pipeline.stores.release_log import MADE_LIVE
from pipeline.tasks.comparing import SCORES
from pipeline.tasks.feature_building import load_feature_set
from pipeline.tasks.labelling import LABEL, find_label_sources, read_labels
from pipeline.tasks.manifests import AS_CORRECTED, read_manifest
from pipeline.tasks.partitions import newest_closed_partition, parse_partition
from pipeline.tasks.runs import Summary
from pipeline.tasks.scoring import SCORE_STAGE
from pipeline.tasks.workspace import Workspace


def grade(workspace: Workspace, job: Job, partition: str) -> Summary:
    """Metrics of the newest published release of a partition, over the entities whose outcome is known by now.

    What the gate held back, what was rolled back and what was made for an audit was never served, or not to stay.

    The scores are read from the lake by way of the release's manifest: the publisher compared every one of them with
    what Redis held.

    Raises:
        NotReadyError: the partition was not released, or no outcome is known yet.
    """
    parse_partition(partition, job)
    generations = workspace.predictions.generations(job.name)
    published = _list_published(workspace, job, partition)
    kept = [item for item in generations if item.name in published and item.state is not State.REJECTED]
    if not kept:
        raise NotReadyError(
            "there is no release of this partition to grade",
            job=job.name,
            partition=partition,
            next_step=f"nightjar run {job.name} --partition {partition}",
        )
    newest = max(kept, key=lambda item: item.token)
    manifest = read_manifest(workspace, job, newest.name)
    outputs = workspace.outputs(job)
    scored = outputs.read_all(outputs.load(SCORE_STAGE, manifest["scores"]["address"]), SCORES).to_pandas()
    known_by = newest_closed_partition(job, workspace.clock())
    sources = find_label_sources(workspace, job, partition, known_by)
    labels = read_labels(workspace, job, load_feature_set(job), sources)
    graded = scored.merge(labels, left_on="entity_id", right_on=job.entity_id, validate="one_to_one")
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
        "generation": newest.name,
        "model_version": manifest["model"]["version"],
        "scored": len(scored),
        **metrics,
    }


def _list_published(workspace: Workspace, job: Job, partition: str) -> set[str]:
    """Generations of a partition that readers were given, as the release log has them."""
    return {
        event.generation
        for event in workspace.release_log(job).events()
        if event.partition == partition
        and event.kind in MADE_LIVE | {"kept"}
        and event.header is not None
        and event.header["basis"] == AS_CORRECTED
    }
