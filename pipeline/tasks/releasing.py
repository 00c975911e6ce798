"""Release scores: load a generation, read it back, write its manifest, make it live."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from pipeline import __version__
from pipeline.digests import digest_json
from pipeline.errors import DamagedError, RefusedError
from pipeline.job import Job
from pipeline.keyspace import token_of
from pipeline.stores.predictions import Load, UnevenIdsError
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.feature_building import load_feature_set
from pipeline.tasks.night_inputs import SourceOfNight
from pipeline.tasks.partitions import find_delivery
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace

PREDICTION_COLUMNS = ("prediction",)


def publish_release(
    workspace: Workspace,
    job: Job,
    partition: str,
    run: str,
    own: Mapping[str, SourceOfNight],
    scored: Output,
) -> Summary:
    """Publish the scores of a partition as a new generation.

    An older partition than the live one is stored and can be read by partition; it does not become live.
    """
    store = workspace.predictions
    try:
        load, accounting, manifest = _load(workspace, job, partition, run, own, scored, gather=False)
    except UnevenIdsError:
        load, accounting, manifest = _load(workspace, job, partition, run, own, scored, gather=True)
    flip = store.flip(job.name, load.generation, load.token)
    return {
        "generation": load.generation,
        "result": flip.result,
        "previous": flip.previous,
        "model_version": scored.inputs["model_version"],
        "manifest": manifest,
        "rows": accounting["read_back"],
        "accounting": accounting,
        "bytes_per_prediction": load.bytes_per_prediction,
        "pruned": store.prune(job.name),
    }


def _load(
    workspace: Workspace,
    job: Job,
    partition: str,
    run: str,
    own: Mapping[str, SourceOfNight],
    scored: Output,
    *,
    gather: bool,
) -> tuple[Load, dict[str, int], str]:
    """Load, read back and seal a generation; returns it with the accounting and the manifest's digest.

    Args:
        gather: hold all rows in memory to choose buckets by their ids, for ids that would leave one empty.
    """
    accounting = _count_scored(job, partition, own[job.population.name], scored)
    with workspace.predictions.begin(
        job.name,
        partition,
        rows=accounting["scored"],
        shards=len(scored.files),
        known_token=_highest_token(workspace, job),
        decimals=job.decimals,
        gather=gather,
    ) as load:
        _check_current(workspace, job, partition, own, scored)
        for label in sorted(scored.files):
            load.send(workspace.outputs(job).read(scored, label))
        accounting["published"] = load.sent_rows
        accounting["read_back"] = load.read_back()
        _check_published(job, partition, accounting)
        manifest = _write_manifest(workspace, job, partition, run, own, scored, accounting, load)
        header = load.make_header(
            cutoff=job.cutoff(date.fromisoformat(partition)),
            model_version=scored.inputs["model_version"],
            feature_set=scored.inputs["feature_set"],
            columns=PREDICTION_COLUMNS,
            max_age_seconds=None if job.max_age is None else int(job.max_age.total_seconds()),
            manifest=manifest,
        )
        load.seal(header)
    return load, accounting, manifest


def read_manifest(workspace: Workspace, job: Job, generation: str) -> dict[str, Any]:
    """The release manifest of a generation.

    Raises:
        FileNotFoundError: there is none.
    """
    manifest: dict[str, Any] = workspace.lake.read_json(f"{_releases(job)}/{generation}.json")
    return manifest


def _count_scored(job: Job, partition: str, population: SourceOfNight, scored: Output) -> dict[str, int]:
    """The accounting up to scoring; received = quarantined + scored, or nothing is published."""
    counts = {
        "received": population.rows.facts["received"],
        "quarantined": population.rows.facts["quarantined"],
        "scored": scored.facts["rows"],
    }
    if counts["received"] != counts["quarantined"] + counts["scored"]:
        raise _unaccounted(job, partition, "received = quarantined + scored", counts)
    return counts


def _check_current(
    workspace: Workspace, job: Job, partition: str, own: Mapping[str, SourceOfNight], scored: Output
) -> None:
    """Refuse to publish what was overtaken while it was made: by a re-delivery, or by another champion.

    It is asked after the fencing token was taken.  A run that overtakes this one later gets a higher token, and then
    this one is refused at the flip.

    Raises:
        RefusedError: a newer run of the partition would give something else.
    """
    for source in job.sources:
        newest = find_delivery(workspace, source, partition)
        worked_on = own[source.name].delivery["digest"]
        if newest is not None and newest.digest != worked_on:
            raise _overtaken(job, partition, f"delivery {newest.digest[:12]} of {source.name}", worked_on[:12])
    champion = workspace.ledger(job).champion(partition)
    scored_by = scored.inputs["model_version"]
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


def _check_published(job: Job, partition: str, counts: dict[str, int]) -> None:
    if not counts["scored"] == counts["published"] == counts["read_back"]:
        raise _unaccounted(job, partition, "scored = published = read back", counts)


def _unaccounted(job: Job, partition: str, identity: str, counts: dict[str, int]) -> DamagedError:
    return DamagedError(
        "rows of the population are not accounted for; nothing was made live",
        job=job.name,
        partition=partition,
        expected=identity,
        found=", ".join(f"{count} {name}" for name, count in counts.items()),
        next_step="report this: it is a fault of the pipeline, not of the data",
    )


def _write_manifest(
    workspace: Workspace,
    job: Job,
    partition: str,
    run: str,
    own: Mapping[str, SourceOfNight],
    scored: Output,
    accounting: Mapping[str, int],
    load: Load,
) -> str:
    """Put the release manifest into the lake; returns its digest."""
    feature_set = load_feature_set(job)
    manifest = {
        "job": job.name,
        "generation": load.generation,
        "partition": partition,
        "cutoff": job.cutoff(date.fromisoformat(partition)).isoformat(),
        "run": run,
        "written_at": workspace.clock().isoformat(),
        "code_version": __version__,
        "environment": scored.inputs["environment"],
        "sources": {name: _describe_source(source) for name, source in own.items()},
        "feature_set": {"name": feature_set.name, "version": feature_set.version, "digest": feature_set.digest},
        "features": scored.inputs["features"],
        "model": {"version": scored.inputs["model_version"], "digest": scored.inputs["model_digest"]},
        "scores": {"address": scored.address, "digest": scored.digest},
        "accounting": dict(accounting),
        "bytes_per_prediction": load.bytes_per_prediction,
    }
    workspace.lake.put_json_if_absent(f"{_releases(job)}/{load.generation}.json", manifest)
    return digest_json(manifest)


def _describe_source(source: SourceOfNight) -> dict[str, Any]:
    judgement = source.judgement
    return {
        "delivery": dict(source.delivery),
        "contract": source.rows.inputs["contract"],
        "validated": source.rows.digest,
        "received": source.rows.facts["received"],
        "quarantined": source.rows.facts["quarantined"],
        "reasons": source.rows.facts["reasons"],
        "suite": None
        if judgement is None
        else {
            "digest": judgement.facts["suite"],
            "evaluated": judgement.facts["verdict"]["evaluated"],
            "warnings": judgement.facts["verdict"]["warnings"],
        },
    }


def _highest_token(workspace: Workspace, job: Job) -> int:
    """The highest token of any release in the lake: Redis may have lost its own count."""
    names = (PurePosixPath(name).stem for name in workspace.lake.list(_releases(job)))
    return max((token_of(name) or 0 for name in names), default=0)


def _releases(job: Job) -> str:
    return f"jobs/{job.name}/releases"
