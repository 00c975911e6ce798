"""Release manifests: one JSON document a release, binding everything that it came from.

    jobs/<job>/releases/<generation>.json

A manifest is written before its generation is sealed and never changes; the generation's header carries its digest.
What became of the release later (approved, rolled back) is in the release log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from pipeline import __version__
from pipeline.digests import digest_json
from pipeline.errors import DamagedError, NotReadyError
from pipeline.job import Job
from pipeline.keyspace import Basis, token_of
from pipeline.stores.release_log import highest_token
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.comparing import ScoredPopulation
from pipeline.tasks.feature_building import load_feature_set
from pipeline.tasks.night_inputs import PIN_STAGE, SourceOfNight, load_night
from pipeline.tasks.runs import read_timings
from pipeline.tasks.workspace import Workspace

SCORE_STAGE = "score"

AS_CORRECTED: Basis = "as_corrected"
AS_KNOWN_THEN: Basis = "as_known_then"


@dataclass(frozen=True)
class Candidate:
    """What a run wants to release.

    Attributes:
        run: the attempt that made it.
        night: address of the pin that says what the night worked from.
        own: the sources of the partition itself.
        features: address of the features that were scored.
        scored: output of the score stage.
        basis: ``as_corrected``: today's deliveries and champion; ``as_known_then``: those of that night.
        known_by: the moment up to which deliveries and the model ledger were looked at; None for now.
    """

    partition: str
    run: str
    night: str
    own: Mapping[str, SourceOfNight]
    features: str
    scored: Output
    basis: Basis = AS_CORRECTED
    known_by: str | None = None

    def digest_inputs(self, priors: Mapping[str, float]) -> str:
        """Digest of what the predictions are made of: how a rollback recognises them."""
        model = {name: self.scored.inputs[name] for name in ("model_version", "model_digest")}
        made_of = {"partition": self.partition, "scores": self.scored.digest, "priors": dict(priors), **model}
        return digest_json(made_of)


def find_candidate(workspace: Workspace, job: Job, partition: str, run: str, scored: Mapping[str, Any]) -> Candidate:
    """What the score stage's summary ``scored`` leads to."""
    outputs = workspace.outputs(job)
    own, _ = load_night(outputs, job, scored["night"])
    return Candidate(
        partition=partition,
        run=run,
        night=scored["night"],
        own=own,
        features=scored["features"],
        scored=outputs.load(SCORE_STAGE, scored["output"]),
        basis=scored["basis"],
        known_by=scored["known_by"],
    )


def read_candidate(workspace: Workspace, job: Job, manifest: Mapping[str, Any]) -> Candidate:
    """What a release was made from, by its manifest."""
    outputs = workspace.outputs(job)
    own, _ = load_night(outputs, job, manifest["night"])
    return Candidate(
        partition=manifest["partition"],
        run=manifest["run"],
        night=manifest["night"],
        own=own,
        features=manifest["features"]["address"],
        scored=outputs.load(SCORE_STAGE, manifest["scores"]["address"]),
        basis=manifest["basis"],
        known_by=manifest["known_by"],
    )


def draft_manifest(
    workspace: Workspace,
    job: Job,
    candidate: Candidate,
    generation: str,
    *,
    inputs: str,
    accounting: Mapping[str, int],
    bytes_per_prediction: float | None,
    gate: Mapping[str, Any],
    timings: Mapping[str, float],
) -> dict[str, Any]:
    """The manifest of a generation that was read back.

    Args:
        inputs: digest of what the predictions are made of.
        gate: the verdict of the release gate.
        timings: seconds of the steps of publishing so far.
    """
    feature_set = load_feature_set(job)
    scored = candidate.scored
    pinned = workspace.outputs(job).load(PIN_STAGE, candidate.night).inputs
    return {
        "job": job.name,
        "generation": generation,
        "partition": candidate.partition,
        "cutoff": job.cutoff(date.fromisoformat(candidate.partition)).isoformat(),
        "basis": candidate.basis,
        "known_by": candidate.known_by,
        "run": candidate.run,
        "written_at": workspace.clock().isoformat(),
        "inputs": inputs,
        "code_version": __version__,
        "code": {"score": scored.inputs["code"], "model": scored.inputs["model_code"]},
        "environment": scored.inputs["environment"],
        "night": candidate.night,
        "sources": {name: _describe_source(source) for name, source in candidate.own.items()},
        "trailing": pinned["trailing_deliveries"],
        "acceptances": pinned["acceptances"],
        "feature_set": {"name": feature_set.name, "version": feature_set.version, "digest": feature_set.digest},
        "features": {"address": candidate.features, "digest": scored.inputs["features"]},
        "model": {"version": scored.inputs["model_version"], "digest": scored.inputs["model_digest"]},
        "scores": {"address": scored.address, "digest": scored.digest},
        "accounting": dict(accounting),
        "bytes_per_prediction": bytes_per_prediction,
        "gate": dict(gate),
        "timings": {
            "stages": read_timings(workspace, job, candidate.partition, candidate.run),
            "publish": dict(timings),
        },
    }


def write_manifest(workspace: Workspace, job: Job, manifest: Mapping[str, Any]) -> str:
    """Put a manifest into the lake; returns its digest."""
    workspace.lake.put_json_if_absent(_path(job, manifest["generation"]), manifest)
    return digest_json(manifest)


def read_manifest(workspace: Workspace, job: Job, generation: str) -> dict[str, Any]:
    """The release manifest of a generation.

    Raises:
        FileNotFoundError: there is none.
    """
    manifest: dict[str, Any] = workspace.lake.read_json(_path(job, generation))
    return manifest


def require_manifest(workspace: Workspace, job: Job, generation: str, *, digest: str | None = None) -> dict[str, Any]:
    """Like :func:`read_manifest`, for a generation that a person named.

    Args:
        digest: what the generation's header says of its manifest, where that is known.

    Raises:
        NotReadyError: there is none.
        DamagedError: it is that of another generation, or was altered.
    """
    if token_of(generation) is None:
        raise _unknown(workspace, job, generation)
    try:
        manifest = read_manifest(workspace, job, generation)
    except FileNotFoundError as error:
        raise _unknown(workspace, job, generation) from error
    found = digest_json(manifest)
    if manifest["generation"] != generation or found != (digest or found):
        raise DamagedError(
            "a release manifest is not that of its place",
            job=job.name,
            expected=f"the manifest of {generation}" + (f" with digest {digest}" if digest else ""),
            found=f"that of {manifest['generation']} with digest {found}",
            next_step=f"restore {workspace.lake.url(_path(job, generation))} from a backup of the lake",
        )
    return manifest


def read_scored_population(workspace: Workspace, job: Job, manifest: Mapping[str, Any]) -> ScoredPopulation:
    """The scores of a release and the population that they are of, from the lake.

    Raises:
        FileNotFoundError: the lake has lost one of them.
        KeyError: the manifest was written by a version that did not name them.
    """
    outputs = workspace.outputs(job)
    own, _ = load_night(outputs, job, manifest["night"])
    return ScoredPopulation(outputs.load(SCORE_STAGE, manifest["scores"]["address"]), own[job.population.name].rows)


def find_highest_token(workspace: Workspace, job: Job) -> int:
    """The highest token of anything in the lake: Redis may have lost its own count."""
    names = (PurePosixPath(name).stem for name in workspace.lake.list(_releases(job)))
    highest = max((token_of(name) or 0 for name in names), default=0)
    return max(highest, highest_token(workspace.release_log(job).events()))


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
            "blocking": judgement.facts["verdict"]["blocking"],
            "warnings": judgement.facts["verdict"]["warnings"],
            "drifts": judgement.facts["verdict"]["drifts"],
        },
    }


def _unknown(workspace: Workspace, job: Job, generation: str) -> NotReadyError:
    known = [PurePosixPath(name).stem for name in workspace.lake.list(_releases(job))]
    newest = sorted(known, key=lambda name: token_of(name) or 0)[-5:]
    return NotReadyError(
        f"there is no release {generation!r} of this job in the lake",
        job=job.name,
        expected=f"a generation such as {', '.join(newest)}" if newest else "a generation that was released",
        found="no manifest of that name",
        next_step=f"nightjar releases {job.name}",
    )


def _path(job: Job, generation: str) -> str:
    return f"{_releases(job)}/{generation}.json"


def _releases(job: Job) -> str:
    return f"jobs/{job.name}/releases"
