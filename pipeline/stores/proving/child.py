"""The clean process: loads one model as a night would, says whether it scores its golden rows, or compiles its trees.

Started by :mod:`pipeline.stores.proving.process` as a file, with ``python -I``.  The request comes by the input stream,
since it may hold keys; the answer goes to the output stream, which the model's own code cannot write to.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any


class Guard:
    """A finder of modules that does not find the refused ones, and else does what the one behind it does."""

    def __init__(self, finder: Any, refused: frozenset[str]) -> None:
        self._finder = finder
        self._refused = refused

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """As every finder's."""
        return None if _top(name) in self._refused else self._finder.find_spec(name, path, target)


def main() -> None:
    """Answer one request."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    refused = frozenset(request["refused"])
    _refuse(refused)
    sys.path[:] = request["path"]
    json.dump(_answer(request, refused), answers)
    answers.close()


def _refuse(refused: frozenset[str]) -> None:
    sys.meta_path[:] = [Guard(finder, refused) for finder in sys.meta_path]
    for name in [name for name in sys.modules if _top(name) in refused]:
        del sys.modules[name]  # what the start of Python itself has imported


def _answer(request: dict[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    """What the work gave; else ``lacking``, a module that was refused, or ``error``, or ``exception``."""
    try:
        return _compile(request) if request["work"] == "compile" else _prove(request)
    except Exception as error:  # noqa: BLE001 - whatever the model's own code raises is the answer
        lacking = _find_refused(error, refused)
        if lacking is not None:
            return {"lacking": lacking}
        told = getattr(error, "to_json", None)
        return {"error": told()} if told is not None else {"exception": type(error).__name__}


def _prove(request: dict[str, Any]) -> dict[str, Any]:
    """``rows`` that were scored, and ``has_trees``: whether there is something to compile."""
    # Here and below, now that the guard stands.
    from pipeline.stores.lake import Lake  # noqa: PLC0415
    from pipeline.stores.ledger_events import ModelVersion  # noqa: PLC0415
    from pipeline.stores.models import Models  # noqa: PLC0415
    from pipeline.stores.signatures import SigningKeys  # noqa: PLC0415
    from pipeline.trees.substitution import has_trees  # noqa: PLC0415

    models = Models(Lake(request["lake"]), request["job"], SigningKeys(request["keys"]))
    model = models.load(ModelVersion.model_validate(request["version"]))
    golden = model.metadata.golden
    return {"rows": 0 if golden is None else golden.rows, "has_trees": has_trees(model.estimator)}


def _compile(request: dict[str, Any]) -> dict[str, Any]:
    """What is known of the compiled trees, as ``compiled``."""
    from pipeline.stores.compiling import compile_registered  # noqa: PLC0415
    from pipeline.stores.lake import Lake  # noqa: PLC0415
    from pipeline.stores.ledger_events import ModelVersion  # noqa: PLC0415
    from pipeline.stores.signatures import SigningKeys  # noqa: PLC0415

    version, keys = ModelVersion.model_validate(request["version"]), SigningKeys(request["keys"])
    compiled = compile_registered(Lake(request["lake"]), request["job"], keys, version)
    return {"compiled": compiled.model_dump()}


def _find_refused(error: BaseException | None, refused: frozenset[str]) -> str | None:
    """The refused module whose absence is behind an error."""
    while error is not None:
        if isinstance(error, ImportError) and error.name is not None and _top(error.name) in refused:
            return error.name
        error = error.__cause__ or error.__context__
    return None


def _top(module: str) -> str:
    return module.partition(".")[0]


if __name__ == "__main__":
    main()
