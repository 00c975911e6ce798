"""Overtaking: a run that worked on what is no longer the newest publishes nothing."""

from __future__ import annotations

from pipeline.errors import RefusedError
from pipeline.job import Job
from pipeline.tasks.candidates import Candidate
from pipeline.tasks.partitions import find_delivery
from pipeline.tasks.workspace import Workspace


def check_current(workspace: Workspace, job: Job, candidate: Candidate) -> None:
    """Refuse to publish what was overtaken while it was made: by a re-delivery, or by another champion.

    It is asked after the fencing token was taken.  A run that overtakes this one later gets a higher token, and then
    this one is refused at the flip.

    Raises:
        RefusedError: a newer run of the partition would give something else.
    """
    partition, own = candidate.partition, candidate.own
    for source in job.sources:
        newest = find_delivery(workspace, source, partition)
        worked_on = own[source.name].delivery["digest"]
        if newest is not None and newest.digest != worked_on:
            raise _overtaken(job, partition, f"delivery {newest.digest[:12]} of {source.name}", worked_on[:12])
    outputs = workspace.outputs(job)
    if outputs.is_redacted(own[job.population.name].rows) or outputs.is_redacted(candidate.scored):
        raise _overtaken(job, partition, "the rows that an erasure has left", "those of before it")
    champion = workspace.ledger(job).champion(partition)
    scored_by = candidate.scored.inputs["model_version"]
    if champion is None or champion.version != scored_by:
        now = "no champion" if champion is None else f"champion {champion.version}"
        raise _overtaken(job, partition, now, f"scores of model {scored_by}")


def _overtaken(job: Job, partition: str, expected: str, found: str) -> RefusedError:
    return RefusedError(
        "this run was overtaken while it worked; nothing was published",
        job=job.name,
        partition=partition,
        expected=expected,
        found=found,
        next_step="run the partition again: it takes what there is now",
    )
