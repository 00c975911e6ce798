"""Compilation of a registered model's trees, where whatever goes wrong harms nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.errors import NotCompiledError
from pipeline.stores.compiled_models import CompiledTrees
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.proving.process import SECONDS, BadEndError, ask_process


def compile_model(
    lake: str,
    job: str,
    keys: Sequence[str],
    version: ModelVersion,
    libraries: Mapping[str, str],
    *,
    seconds: int = SECONDS,
) -> CompiledTrees:
    """Compile a model's trees and hold them against scikit-learn, as :mod:`pipeline.stores.compiling` does.

    Args:
        lake: its address.
        keys: of models, the first of which signs.
        libraries: versions by distribution, as the model's metadata names them.

    Returns:
        What is now in the lake beside the model, without tables if it has no trees that could be compiled.

    Raises:
        NotCompiledError: it cannot be done here, something differs, or the process came to a bad end.
        RefusedError, DamagedError: the model may not be loaded, as :meth:`pipeline.stores.models.Models.load` says.
    """
    try:
        parts = ask_process("compile", lake, job, keys, version, libraries, seconds).parts
    except BadEndError as error:
        raise _fail(job, version, str(error)) from None
    if "lacking" in parts:
        raise _fail(job, version, f"an import of {parts['lacking']}")
    return CompiledTrees.model_validate(parts["compiled"])


def _fail(job: str, version: ModelVersion, found: str) -> NotCompiledError:
    return NotCompiledError(
        f"the trees of model {version.version} could not be compiled",
        job=job,
        expected="an answer of the process that compiles them",
        found=found,
    )
