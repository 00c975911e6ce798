"""The file of compiled trees: Parquet, with a row for each output of each ensemble, in which every array is a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import pyarrow as pa

from pipeline.stores.parquet import decode_parquet, encode_parquet
from pipeline.trees.tables import LANES, SLOTS, Tables

_ENSEMBLE = "ensemble"
_SHAPES = {"masks": (-1, LANES), "leaves": (-1, LANES, SLOTS)}


def encode_tables(ensembles: Sequence[Sequence[Tables]]) -> bytes:
    """The file of the tables by ensemble and output: the same bytes for the same tables."""
    rows = [(number, output) for number, outputs in enumerate(ensembles) for output in outputs]
    columns = {_ENSEMBLE: pa.array([number for number, _ in rows], pa.int32())}
    for name in (field.name for field in fields(Tables)):
        arrays = [pa.array(getattr(output, name).ravel()) for _, output in rows]
        columns[name] = pa.array([array.to_pylist() for array in arrays], pa.list_(arrays[0].type))
    return encode_parquet(pa.table(columns))


def decode_tables(content: bytes) -> list[list[Tables]]:
    """What :func:`encode_tables` was given; only :meth:`Tables.is_sound` tells whether the kernel can be given it."""
    table = decode_parquet(content)
    ensembles: dict[int, list[Tables]] = {}
    for row, number in enumerate(table[_ENSEMBLE].to_pylist()):
        arrays = {field.name: table[field.name][row].values.to_numpy() for field in fields(Tables)}
        shaped = {name: array.reshape(_SHAPES.get(name, -1)) for name, array in arrays.items()}
        ensembles.setdefault(number, []).append(Tables(**shaped))
    return list(ensembles.values())
