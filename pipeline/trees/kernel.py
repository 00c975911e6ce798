"""The kernel: ``kernel.c``, built for this machine, and how it is called.

It is a part of the program and not of any model: built where Nightjar is installed, by ``python -m
pipeline.trees.build``, and named by the digest of its source, so that a stale one is never taken for it.
"""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from pipeline.digests import digest_bytes
from pipeline.errors import NotCompiledError
from pipeline.trees.tables import Tables

SOURCE = Path(__file__).with_name("kernel.c")
FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared")
"""For any processor of the architecture, and for no particular one."""
BUILD = "python -m pipeline.trees.build"

_BLOCK = 256
_ROWS_OF_A_THREAD = 8192
"""Fewer are done before a thread has begun."""


def digest_kernel() -> str:
    """Digest of what a kernel is built from."""
    return digest_bytes(SOURCE.read_bytes() + " ".join(FLAGS).encode())


def locate_kernel() -> Path:
    """Where the kernel is, or would be if it were built."""
    return SOURCE.with_name(f"kernel-{digest_kernel()[:16]}.so")


def check_kernel() -> None:
    """Load the kernel.

    Raises:
        NotCompiledError: it was not built here, or was built for another machine.
    """
    _load_kernel(locate_kernel())


def add_leaves(tables: Tables, rows: np.ndarray, sums: np.ndarray) -> None:
    """Add to every row's sum what each of the trees says of it, on as many threads as scikit-learn would take.

    Args:
        tables: which :meth:`Tables.is_sound` for the columns of ``rows``.
        rows: float64 (rows, columns), in any layout.
        sums: float64 (rows,), contiguous; changed.

    Raises:
        NotCompiledError: as :func:`check_kernel` says.
    """
    kernel = _load_kernel(locate_kernel())
    described = _Described(tables)
    threads = _count_threads(len(rows))
    bounds = np.linspace(0, len(rows), threads + 1).astype(int)

    def work(part: int) -> None:
        start, end = bounds[part], bounds[part + 1]
        places = np.empty(_BLOCK * len(tables.columns), dtype="uint16")
        kernel(
            ctypes.byref(described),
            _point(rows[start:]),
            end - start,
            *_steps(rows),
            _point(places),
            _point(sums[start:]),
        )

    if threads == 1:
        work(0)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


class _Described(ctypes.Structure):
    """``struct tables`` of the kernel."""

    _fields_: ClassVar = [
        ("features", ctypes.c_int32),
        ("groups", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("columns", "edge_starts", "edges")),
        *((name, ctypes.c_void_p) for name in ("group_starts", "used_features", "used_rows")),
        *((name, ctypes.c_void_p) for name in ("masks", "leaves")),
    ]

    def __init__(self, tables: Tables) -> None:
        arrays = {name: _point(array) for name, array in vars(tables).items()}
        super().__init__(features=len(tables.columns), groups=len(tables.leaves), **arrays)


@cache
def _load_kernel(path: Path) -> Any:
    if not path.exists():
        raise NotCompiledError(
            "the kernel of compiled trees was not built on this machine",
            expected=str(path),
            found="no such file; a C compiler is needed where Nightjar is installed",
            next_step=BUILD,
        )
    try:
        kernel = ctypes.CDLL(str(path)).add_leaves
    except OSError as error:
        raise NotCompiledError(
            "the kernel of compiled trees was not built for this machine",
            expected="a library that can be loaded here",
            found=str(error),
            next_step=f"remove {path}, then {BUILD}",
        ) from error
    size, step, pointer = ctypes.c_size_t, ctypes.c_ssize_t, ctypes.c_void_p
    kernel.argtypes = [pointer, pointer, size, step, step, pointer, pointer]
    kernel.restype = None
    return kernel


def _point(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def _steps(rows: np.ndarray) -> tuple[int, int]:
    """From a row to the next, and from a column to the next, in values."""
    row, column = (step // rows.itemsize for step in rows.strides)
    return row, column


def _count_threads(rows: int) -> int:
    """As many as OpenMP, which scikit-learn's trees are scored by, may use here."""
    if rows < 2 * _ROWS_OF_A_THREAD:
        return 1
    allowed = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"]
    return int(min(rows // _ROWS_OF_A_THREAD, joblib.cpu_count(), *allowed))
