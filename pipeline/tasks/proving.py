"""Prove it loads: between the gate and a promotion, a model scores its golden rows in a process of scoring alone."""

from __future__ import annotations

import logging
from dataclasses import asdict

from pipeline.job import Job
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.proving import Proof, prove_model
from pipeline.tasks.runs import Summary, summarise_stage
from pipeline.tasks.workspace import Workspace

_LOG = logging.getLogger(__name__)

_PASSED_ON = ("output", "model_version", "champion", "metrics", "interval", "promote", "why", "checks")


def prove(workspace: Workspace, job: Job, partition: str, run: str, evaluated: Summary) -> Summary:
    """Have the challenger loaded and asked for its golden rows as it would be to score a night, and by nothing else.

    Returns:
        What the evaluation told, and ``proof``; None if the gate did not let the challenger pass.

    Raises:
        RefusedError: the model needs a library that scoring need not have, or it does not score its golden rows.
        DamagedError: a file of the model is missing or changed.
    """

    def work() -> Summary:
        told = {name: evaluated[name] for name in _PASSED_ON}
        if not evaluated["promote"]:
            _LOG.info("model %s is not proved, since the gate refused it: %s", told["model_version"], told["why"])
            return {**told, "proof": None}
        proof = prove_version(workspace, job, workspace.ledger(job).version(told["model_version"]))
        return {**told, "proof": asdict(proof)}

    return summarise_stage(job, partition, run, "prove", work)


def prove_version(workspace: Workspace, job: Job, version: ModelVersion) -> Proof:
    """Have a registered model score its golden rows in a clean process.

    Raises:
        RefusedError, DamagedError: as :func:`prove` says.
    """
    settings = workspace.settings
    proof = prove_model(
        settings.lake,
        job.name,
        [key.get_secret_value() for key in settings.signing_keys],
        version,
        workspace.models(job).read_metadata(version).library_versions,
    )
    _LOG.info("model %s scored its %s golden rows in a clean process", version.version, proof.rows)
    return proof
