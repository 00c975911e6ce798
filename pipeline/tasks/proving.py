"""Prove it loads: between the gate and a promotion, a model scores its golden rows in a process of scoring alone.

Its trees are compiled there too, so that the nights that it serves are scored by them.
"""

from __future__ import annotations

import logging
from dataclasses import asdict

from pipeline.errors import NotCompiledError
from pipeline.job import Job
from pipeline.stores.compiled_models import CompiledTrees
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.proving import Proof, compile_model, prove_model
from pipeline.tasks.runs import Summary, summarise_stage
from pipeline.tasks.workspace import Workspace

_LOG = logging.getLogger(__name__)

_PASSED_ON = ("output", "model_version", "champion", "metrics", "interval", "promote", "why", "checks")


def prove(workspace: Workspace, job: Job, partition: str, run: str, evaluated: Summary) -> Summary:
    """Have the challenger loaded and asked for its golden rows as it would be to score a night, and by nothing else.

    Returns:
        What the evaluation told, with ``proof`` and ``compiled`` as :func:`prove_version` has them; both are None if
        the gate did not let the challenger pass.

    Raises:
        RefusedError: the model needs a library that scoring need not have, or it does not score its golden rows.
        DamagedError: a file of the model is missing or changed.
    """

    def work() -> Summary:
        told = {name: evaluated[name] for name in _PASSED_ON}
        if not evaluated["promote"]:
            _LOG.info("model %s is not proved, since the gate refused it: %s", told["model_version"], told["why"])
            return {**told, "proof": None, "compiled": None}
        return {**told, **prove_version(workspace, job, workspace.ledger(job).version(told["model_version"]))}

    return summarise_stage(job, partition, run, "prove", work)


def prove_version(workspace: Workspace, job: Job, version: ModelVersion) -> Summary:
    """Have a registered model score its golden rows in a clean process, and compile its trees in another.

    Returns:
        ``proof``: golden ``rows`` and modules ``refused``; ``compiled``: how many ``trees`` (0 for a model that has
        none), the ``rows`` that they were held against scikit-learn on, and ``why_not``, None if they were compiled or
        there are none.

    Raises:
        RefusedError, DamagedError: as :func:`prove` says.
    """
    settings = workspace.settings
    proof = prove_model(
        settings.lake,
        job.name,
        _list_keys(workspace),
        version,
        workspace.models(job).read_metadata(version).library_versions,
    )
    _LOG.info("model %s scored its %s golden rows in a clean process", version.version, proof.rows)
    return {"proof": asdict(proof), "compiled": _try_to_compile(workspace, job, version, proof)}


def _try_to_compile(workspace: Workspace, job: Job, version: ModelVersion, proof: Proof) -> Summary:
    """What :func:`prove_version` has under ``compiled``."""
    trees = rows = 0
    why_not = None
    if proof.has_trees:
        try:
            compiled = compile_version(workspace, job, version)
            trees, rows = compiled.trees, compiled.rows
        except NotCompiledError as error:
            why_not = error.problem
            _LOG.warning("model %s will be scored by scikit-learn: %s", version.version, error)
    return {"trees": trees, "rows": rows, "why_not": why_not}


def compile_trees(workspace: Workspace, job: Job, version: str) -> Summary:
    """Compile a model's trees because a person says so: after an upgrade, or where there was no C compiler before.

    Returns:
        ``model_version``, ``trees`` and the ``rows`` that they were held against scikit-learn on.

    Raises:
        NotReadyError: there is no such version.
        NotCompiledError, RefusedError, DamagedError: as :func:`compile_version` says.
    """
    compiled = compile_version(workspace, job, workspace.ledger(job).version(version))
    return {"model_version": version, "trees": compiled.trees, "rows": compiled.rows}


def compile_version(workspace: Workspace, job: Job, version: ModelVersion) -> CompiledTrees:
    """Compile the trees of a registered model, in a process of its own, and put what came of it into the lake.

    Raises:
        NotCompiledError: it cannot be done here, or scikit-learn says something else of some row.
        RefusedError, DamagedError: the model may not be loaded.
    """
    libraries = workspace.models(job).read_metadata(version).library_versions
    compiled = compile_model(workspace.settings.lake, job.name, _list_keys(workspace), version, libraries)
    _LOG.info("%s trees of model %s are compiled", compiled.trees, version.version)
    return compiled


def count_compiled(workspace: Workspace, job: Job, version: ModelVersion) -> int:
    """How many trees of a model would be scored by their tables here; 0 if scikit-learn would score it."""
    try:
        return workspace.compiled(job).find(version).trees
    except NotCompiledError:
        return 0


def _list_keys(workspace: Workspace) -> list[str]:
    return [key.get_secret_value() for key in workspace.settings.signing_keys]
