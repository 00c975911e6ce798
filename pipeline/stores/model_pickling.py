"""Bytes of a fitted estimator: joblib's, the same in whichever process they are written.

Libraries that extend Python's pickler do so for the whole process.  dill is one, and Airflow's workers import it: files
that joblib writes there name dill's own functions, have another digest, and cannot be read where dill is not installed.
"""

from __future__ import annotations

import io
import pickle
from types import FunctionType
from typing import Any, ClassVar

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
    """joblib's pickler with Python's own ways of saving, and no others."""

    dispatch: ClassVar = {kind: getattr(pickle._Pickler, f"save_{name}") for kind, name in _SAVED_AS.items()}  # noqa: SLF001


def pickle_estimator(estimator: Any) -> bytes:
    """What ``joblib.dump`` writes in a process whose pickler nobody has extended."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=_PROTOCOL).dump(estimator)
    return buffer.getvalue()
