"""Start the clean process, and take its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import fsspec

from pipeline.errors import revive_error
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.proving.closure import list_refused

SECONDS = 600
"""More than any night waits for its model."""

_CHILD = Path(__file__).with_name("child.py")
_WITHHELD = ("NIGHTJAR_", "AIRFLOW", "MLFLOW_", "PYTHON")


class BadEndError(Exception):
    """The process gave no answer; the text says what it gave in its place."""


@dataclass(frozen=True)
class Answer:
    """What the process said.

    Attributes:
        parts: what the work gave, or ``lacking``: a module that was refused.
        refused: top-level modules of other libraries that were installed and could not be imported.
    """

    parts: dict[str, Any]
    refused: int


def ask_process(
    work: Literal["prove", "compile"],
    lake: str,
    job: str,
    keys: Sequence[str],
    version: ModelVersion,
    libraries: Mapping[str, str],
    seconds: int,
) -> Answer:
    """Have a new process, which finds no library but those of scoring, do some work on a registered model.

    Args:
        lake: its address.
        keys: of models, the first of which signs.
        libraries: versions by distribution, as the model's metadata names them.

    Raises:
        NightjarError: as the work raised it.
        BadEndError: it raised something else, ended without an answer, or took too long.
    """
    refused = list_refused(libraries, type(fsspec.core.url_to_fs(lake)[0]).__module__.partition(".")[0])
    request = {
        "work": work,
        "path": [os.path.abspath(entry) for entry in sys.path],  # noqa: PTH100 - an empty entry is the current folder
        "refused": refused,
        "lake": lake,
        "job": job,
        "keys": list(keys),
        "version": version.model_dump(mode="json"),
    }
    parts = _ask(request, seconds)
    if "error" in parts:
        raise revive_error(parts["error"])
    if "exception" in parts:
        raise BadEndError(parts["exception"])
    return Answer(parts, len(refused))


def _ask(request: dict[str, Any], seconds: int) -> dict[str, Any]:
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
        raise BadEndError(f"no answer within {seconds} seconds") from None
    if done.returncode != 0:
        raise BadEndError(f"exit code {done.returncode}")
    if not done.stdout:  # the model's own code has ended the process as if all were well
        raise BadEndError("exit code 0, and no answer")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
