"""Start the clean process, and understand its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from pipeline.errors import RefusedError, revive_error
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.proving.closure import list_refused

SECONDS = 600
"""More than any night waits for its model."""

_CHILD = Path(__file__).with_name("child.py")
_WITHHELD = ("NIGHTJAR_", "AIRFLOW", "MLFLOW_", "PYTHON")


@dataclass(frozen=True)
class Proof:
    """What was seen.

    Attributes:
        rows: golden rows that got the scores of the training.
        refused: top-level modules of other libraries that were installed and could not be imported.
    """

    rows: int
    refused: int


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
    refused = list_refused(libraries, type(fsspec.core.url_to_fs(lake)[0]).__module__.partition(".")[0])
    request = {
        "path": [os.path.abspath(entry) for entry in sys.path],  # noqa: PTH100 - an empty entry is the current folder
        "refused": refused,
        "lake": lake,
        "job": job,
        "keys": list(keys),
        "version": version.model_dump(mode="json"),
    }
    answer = _ask(request, job, version, seconds)
    if "lacking" in answer:
        raise _refuse(
            job,
            version,
            f"imports {answer['lacking']}, which scoring need not have installed",
            f"the libraries of scoring, and those that the model's file names, without {answer['lacking']}",
            f"an import of {answer['lacking']}",
            f"import {answer['lacking']} only where the model is trained, or leave it out",
        )
    if "error" in answer:
        raise revive_error(answer["error"])
    if "exception" in answer:
        raise _end_badly(job, version, answer["exception"])
    return Proof(answer["rows"], len(refused))


def _ask(request: dict[str, Any], job: str, version: ModelVersion, seconds: int) -> dict[str, Any]:
    command = [sys.executable, "-I", str(_CHILD)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}
    try:
        # What libraries write to the error stream may quote rows.
        done = subprocess.run(
            command,
            input=json.dumps(request),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _end_badly(job, version, f"no answer within {seconds} seconds") from None
    if done.returncode != 0:
        raise _end_badly(job, version, f"exit code {done.returncode}")
    if not done.stdout:  # the model's own code has ended the process as if all were well
        raise _end_badly(job, version, "exit code 0, and no answer")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _end_badly(job: str, version: ModelVersion, found: str) -> RefusedError:
    return _refuse(
        job,
        version,
        "did not score its golden rows in a clean process",
        "an answer",
        found,
        "load it in a debugger to see why",
    )


def _refuse(job: str, version: ModelVersion, problem: str, expected: str, found: str, next_step: str) -> RefusedError:
    return RefusedError(
        f"model {version.version} {problem}", job=job, expected=expected, found=found, next_step=next_step
    )
