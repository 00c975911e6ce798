"""Bytes of a fitted estimator: what ``joblib.load`` reads, the same in whichever process they are written.

Two things make ``joblib.dump`` write others, depending on what a process did before:

- Libraries that extend Python's pickler do so for the whole process.  dill is one, and Airflow's workers import it:
  files that are written there name dill's own functions, and cannot be read where dill is not installed.
- Python's pickler writes a text once for as long as it meets the same object.  Where a process has loaded an estimator,
  later ones of its class have the names of their attributes from that file; elsewhere they share them with all others.
"""

from __future__ import annotations

import io
import pickle
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
from joblib.numpy_pickle import NumpyPickler

# Python 3.11 and 3.12 know it; fixed, so that a newer default does not change digests.
_PROTOCOL = 5

_SAVED_AS = {
    type(None): "none",
    bool: "bool",
    int: "long",
    float: "float",
    bytes: "bytes",
    bytearray: "bytearray",
    pickle.PickleBuffer: "picklebuffer",
    str: "str",
    tuple: "tuple",
    list: "list",
    dict: "dict",
    set: "set",
    frozenset: "frozenset",
    FunctionType: "global",
    type: "type",
}
"""What Python saves by methods of its pickler; the rest is saved by what the object says of itself."""


class _Pickler(NumpyPickler):  # type: ignore[misc]
    """joblib's pickler with Python's own ways of saving, and no others, for which equal texts are one."""

    dispatch: ClassVar = {kind: getattr(pickle._Pickler, f"save_{name}") for kind, name in _SAVED_AS.items()}  # noqa: SLF001

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol=protocol)
        self._texts: dict[str, str] = {}

    def save(self, obj: Any) -> None:
        """Arrays of objects too, which joblib hands on to a pickler of its own."""
        if type(obj) is str:
            obj = self._texts.setdefault(obj, obj)
        if type(obj) is np.ndarray and obj.dtype.hasobject:
            pickle._Pickler.save(self, obj)  # type: ignore[attr-defined]  # noqa: SLF001
        else:
            super().save(obj)


def pickle_estimator(estimator: Any) -> bytes:
    """What ``joblib.load`` makes the estimator of again."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=_PROTOCOL).dump(estimator)
    return buffer.getvalue()
