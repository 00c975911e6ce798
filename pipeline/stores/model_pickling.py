"""Bytes of a fitted estimator: what ``joblib.load`` reads, the same in whichever process they are written.

Three things make ``joblib.dump`` write others, depending on what a process did before:

- Libraries that extend Python's pickler do so for the whole process.  dill is one, and Airflow's workers import it:
  files that are written there name dill's own functions, and cannot be read where dill is not installed.
- Python's pickler writes a text once for as long as it meets the same object.  Where a process has loaded an estimator,
  later ones of its class have the names of their attributes from that file; elsewhere they share them with all others.
- The same holds for the types of arrays: those of rows that came through a pickle are others than numpy's own.

An estimator that is another one in each process remains so: one that keeps a set of texts, whose order is up to
chance, or an address, as ``TfidfVectorizer`` does.
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

_ARRAYS = (np.ndarray, np.matrix, np.memmap)
"""What joblib has a way of its own for."""

_SIMPLE_KINDS = "biufcmMSUO"
"""Kinds of array types that their name and metadata say all of."""


class _Pickler(NumpyPickler):  # type: ignore[misc]
    """joblib's pickler with Python's own ways of saving, and no others, for which equal texts and types are one."""

    dispatch: ClassVar = {kind: getattr(pickle._Pickler, f"save_{name}") for kind, name in _SAVED_AS.items()}  # noqa: SLF001

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol=protocol)
        self._texts: dict[str, str] = {}
        self._dtypes: dict[str, np.dtype] = {}
        self._arrays_of_objects = 0

    def save(self, obj: Any) -> None:
        """Arrays of objects, and what is in them, too: joblib hands them on to a pickler of its own."""
        if type(obj) is str:
            obj = self._texts.setdefault(obj, obj)
        elif isinstance(obj, np.dtype) and obj.kind in _SIMPLE_KINDS and obj.metadata is None:
            obj = self._dtypes.setdefault(obj.str, obj)
        if type(obj) not in _ARRAYS:
            pickle._Pickler.save(self, obj)  # type: ignore[attr-defined]  # noqa: SLF001 - one call less to recurse by
        elif not self._arrays_of_objects and not obj.dtype.hasobject:
            super().save(obj)
        else:
            self._arrays_of_objects += 1
            pickle._Pickler.save(self, obj)  # type: ignore[attr-defined]  # noqa: SLF001
            self._arrays_of_objects -= 1


def pickle_estimator(estimator: Any) -> bytes:
    """What ``joblib.load`` makes the estimator of again."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=_PROTOCOL).dump(estimator)
    return buffer.getvalue()
