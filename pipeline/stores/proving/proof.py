"""Proof that a registered model can score with the libraries of scoring alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import RefusedError
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.proving.process import SECONDS, BadEndError, ask_process


@dataclass(frozen=True)
class Proof:
    """What was seen.

    Attributes:
        rows: golden rows that got the scores of the training.
        refused: top-level modules of other libraries that were installed and could not be imported.
        has_trees: whether there are trees in it that could be compiled.
    """

    rows: int
    refused: int
    has_trees: bool


def prove_model(
    lake: str,
    job: str,
    keys: Sequence[str],
    version: ModelVersion,
    libraries: Mapping[str, str],
    *,
    seconds: int = SECONDS,
) -> Proof:
    """Load a registered model as a night would, in a new process that finds no library but those of scoring.

    Args:
        lake: its address.
        keys: of models, the first of which signs.
        libraries: versions by distribution, as the model's metadata names them.

    Raises:
        RefusedError: it needs another library, does not score its golden rows, or its process came to a bad end; or it
            may not be loaded at all, as :meth:`pipeline.stores.models.Models.load` says.
        DamagedError: a file is missing or changed.
    """
    try:
        answer = ask_process("prove", lake, job, keys, version, libraries, seconds)
    except BadEndError as error:
        raise _refuse(
            job,
            version,
            "did not score its golden rows in a clean process",
            "an answer",
            str(error),
            "load it in a debugger to see why",
        ) from None
    lacking = answer.parts.get("lacking")
    if lacking is not None:
        raise _refuse(
            job,
            version,
            f"imports {lacking}, which scoring need not have installed",
            f"the libraries of scoring, and those that the model's file names, without {lacking}",
            f"an import of {lacking}",
            f"import {lacking} only where the model is trained, or leave it out",
        )
    return Proof(answer.parts["rows"], answer.refused, answer.parts["has_trees"])


def _refuse(job: str, version: ModelVersion, problem: str, expected: str, found: str, next_step: str) -> RefusedError:
    return RefusedError(
        f"model {version.version} {problem}", job=job, expected=expected, found=found, next_step=next_step
    )
