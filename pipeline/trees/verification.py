"""Rows on which tables and trees would differ if they did: on edges and beside them, missing, unknown, far away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.trees.substitution import Parts
from pipeline.trees.tables import Tables, find_places, name_columns

ROWS = 4096
"""For each ensemble."""
_ANYWHERE = np.array([np.nan] * 4 + [0.0, -0.0, -1.0, 0.5, 254.0, 255.0, 256.0, 1e9, -1e300, 1e300, 5e-324])


def draw_rows(ensemble: Any, seed: int, rows: int = ROWS) -> np.ndarray:
    """A matrix for the ensemble, in which every edge of every feature is met, from below and from above."""
    random = np.random.default_rng(seed)
    places = find_places(ensemble)
    matrix = np.empty((rows, len(places.columns)))
    for column, edges in zip(places.columns, places.edges, strict=True):
        known = edges[np.isfinite(edges)]
        beside = [known, np.nextafter(known, -np.inf), np.nextafter(known, np.inf), _ANYWHERE]
        matrix[:, column] = random.permutation(np.resize(np.concatenate(beside), rows))
    return matrix


def find_difference(parts: Parts, tables: Sequence[Sequence[Tables]], seed: int = 0) -> tuple[int, float]:
    """How many drawn rows all ensembles were given, and by how much sums of tables and of trees differ at the most.

    Where that is nothing, they were the same to the last bit.

    Raises:
        NotCompiledError: these are not tables of these ensembles, or there is no kernel.
    """
    matrices = [draw_rows(ensemble, seed) for ensemble in parts.ensembles]
    expected = [_sum(ensemble, matrix) for ensemble, matrix in zip(parts.ensembles, matrices, strict=True)]
    parts.substitute(tables)
    found = [_sum(ensemble, matrix) for ensemble, matrix in zip(parts.ensembles, matrices, strict=True)]
    parts.restore()
    differences = [float(np.max(np.abs(have - want))) for have, want in zip(found, expected, strict=True)]
    return sum(map(len, matrices)), max(differences, default=0.0)


def _sum(ensemble: Any, matrix: np.ndarray) -> np.ndarray:
    sums: np.ndarray = ensemble._raw_predict(name_columns(ensemble, matrix))
    return sums
