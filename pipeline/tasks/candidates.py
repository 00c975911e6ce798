"""Release candidates: what a run wants to release, from the score stage's output to the manifest that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipeline import __version__
from pipeline.digests import digest_json
from pipeline.job import Job
from pipeline.keyspace import Basis
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.comparing import ScoredPopulation
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.manifests import AS_CORRECTED, find_reasons
from pipeline.tasks.night_inputs import PIN_STAGE, SourceOfNight, load_night
from pipeline.tasks.runs import read_timings
from pipeline.tasks.scoring import COMPILED, SCORE_STAGE, digest_scores
from pipeline.tasks.workspace import Workspace


@dataclass(frozen=True)
class Candidate:
    """What a run wants to release.

    Attributes:
        run: the attempt that made it.
        night: address of the pin that says what the night worked from.
        own: the sources of the partition itself.
        features: address of the features that were scored.
        profile: address of their profile; None if they were not counted.
        scored: output of the score stage.
        basis: ``as_corrected``: today's deliveries and champion; ``as_known_then``: those of that night.
        known_by: the moment up to which deliveries and the model ledger were looked at; None for now.
        reasons: address of the reasons of the highest predictions; None if there are none.
    """

    partition: str
    run: str
    night: str
    own: Mapping[str, SourceOfNight]
    features: str
    profile: str | None
    scored: Output
    basis: Basis = AS_CORRECTED
    known_by: str | None = None
    reasons: str | None = None

    def digest_inputs(self, priors: Mapping[str, float]) -> str:
        """Digest of what the predictions are made of: how a rollback recognises them."""
        model = {name: self.scored.inputs[name] for name in ("model_version", "model_digest")}
        made_of = {"partition": self.partition, "scores": digest_scores(self.scored), "priors": dict(priors), **model}
        return digest_json(made_of)


def find_candidate(workspace: Workspace, job: Job, partition: str, run: str, scored: Mapping[str, Any]) -> Candidate:
    """What the score stage's summary ``scored`` leads to.

    Versions without monitoring scored without reasons or profile; what they scored can be released all the same.
    """
    outputs = workspace.outputs(job)
    own, _ = load_night(outputs, job, scored["night"])
    return Candidate(
        partition=partition,
        run=run,
        night=scored["night"],
        own=own,
        features=scored["features"],
        profile=scored.get("profile"),
        scored=outputs.load(SCORE_STAGE, scored["output"]),
        basis=scored["basis"],
        known_by=scored["known_by"],
        reasons=scored.get("reasons", {}).get("output"),
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
        profile=(manifest.get("profile") or {}).get("address"),
        scored=outputs.load(SCORE_STAGE, manifest["scores"]["address"]),
        basis=manifest["basis"],
        known_by=manifest["known_by"],
        reasons=find_reasons(manifest),
    )


def read_scored_population(workspace: Workspace, job: Job, manifest: Mapping[str, Any]) -> ScoredPopulation:
    """The scores of a release and the population that they are of, from the lake.

    Raises:
        FileNotFoundError: the lake has lost one of them.
        KeyError: the manifest was written by a version that did not name them.
    """
    outputs = workspace.outputs(job)
    own, _ = load_night(outputs, job, manifest["night"])
    return ScoredPopulation(outputs.load(SCORE_STAGE, manifest["scores"]["address"]), own[job.population.name].rows)


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
    reasons: Mapping[str, Any] | None,
    profile: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The manifest of a generation that was read back.

    Args:
        inputs: digest of what the predictions are made of.
        gate: the verdict of the release gate.
        timings: seconds of the steps of publishing so far.
        reasons: where those of the generation are; None if it has none.
        profile: where that of its features is; likewise.
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
        "written_at": workspace.wall_clock().isoformat(),
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
        "profile": None if profile is None else dict(profile),
        "model": {
            "version": scored.inputs["model_version"],
            "digest": scored.inputs["model_digest"],
            "compiled": scored.inputs.get(COMPILED),
        },
        "scores": {"address": scored.address, "digest": scored.digest},
        "reasons": None if reasons is None else dict(reasons),
        "accounting": dict(accounting),
        "bytes_per_prediction": bytes_per_prediction,
        "gate": dict(gate),
        "timings": {
            "stages": read_timings(workspace, job, candidate.partition, candidate.run),
            "publish": dict(timings),
        },
    }


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
