"""Tiles: daily aggregates that trailing windows are added up from.

A tile is a frame with the aggregate's key columns, ``count`` (int64: rows with a value) and ``sum`` (int64: the values
in units of ``10 ** -scale``), one row a group, sorted by key.  Integers add up to the same whatever their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.declarations import Aggregate, FeatureSet
from features.rows import compute_columns

LARGEST_EXACT = 2**53
LARGEST_SUM = 2.0**62
"""Half of what an int64 holds; rounding in the floats that sums are checked with does not reach the other half."""


def make_tile(rows: pd.DataFrame, feature_set: FeatureSet, aggregate: Aggregate) -> pd.DataFrame:
    """Aggregate the rows of one partition (or of one shard of it; tiles of shards are merged).

    Raises:
        ValueError: a value or a sum is infinite or too large to be kept exactly.
    """
    return add_up_cuts([cut_rows(rows, feature_set, [aggregate])], [aggregate])[0]


def cut_rows(rows: pd.DataFrame, feature_set: FeatureSet, aggregates: Sequence[Aggregate]) -> pd.DataFrame:
    """What rows of one partition add to the tiles of aggregates with the same keys.

    Returns:
        One row for each that adds anything: the key columns, and for every aggregate, by position, ``count_<position>``
        (0 or 1) and ``sum_<position>``, both int64.

    Raises:
        ValueError: a value is infinite or too large to be kept exactly.
    """
    keys = list(aggregates[0].by)
    values = [aggregate.value for aggregate in aggregates if aggregate.value is not None]
    columns = compute_columns(rows, feature_set, dict.fromkeys([*keys, *values]))
    adds = {}
    for position, aggregate in enumerate(aggregates):
        present, units = _take_units(columns, aggregate)
        adds[f"count_{position}"], adds[f"sum_{position}"] = present.astype("int64"), units
    known = np.ones(len(rows), dtype=bool)
    for key in keys:
        known &= columns[key].notna().to_numpy()
    known &= np.logical_or.reduce([adds[f"count_{position}"] > 0 for position in range(len(aggregates))])
    cut = columns[keys].assign(**adds)
    return cut if known.all() else cut[known]


def add_up_cuts(cuts: Sequence[pd.DataFrame], aggregates: Sequence[Aggregate]) -> list[pd.DataFrame]:
    """The tile of every aggregate, from what all rows of a partition add to them.

    Raises:
        ValueError: a sum is too large to be kept exactly.
    """
    rows = pd.concat(cuts, ignore_index=True)
    for position, aggregate in enumerate(aggregates):
        _check_sums(rows, aggregate, [f"sum_{position}"])
    keys = list(aggregates[0].by)
    added = _add_up(rows, keys, [column for column in rows.columns if column not in keys])
    tiles = []
    for position in range(len(aggregates)):
        names = {f"count_{position}": "count", f"sum_{position}": "sum"}
        tile = added[[*keys, *names]].rename(columns=names)
        some = tile["count"] > 0
        tiles.append(tile if not keys or some.all() else tile[some].reset_index(drop=True))
    return tiles


def _take_units(columns: pd.DataFrame, aggregate: Aggregate) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Which rows have a value, and every row's value in units of the aggregate; 0 where it has none."""
    if aggregate.value is None:
        return np.ones(len(columns), dtype=bool), np.zeros(len(columns), dtype="int64")
    values = columns[aggregate.value].to_numpy(dtype="float64", na_value=np.nan)
    present = ~np.isnan(values)
    units = np.rint(np.where(present, values, 0.0) * 10.0**aggregate.scale)
    if not (np.abs(units) < LARGEST_EXACT).all():
        raise ValueError(f"{aggregate.name}: a value is infinite or has more than 15 digits at scale {aggregate.scale}")
    return present, units.astype("int64")


def merge_tiles(tiles: Sequence[pd.DataFrame], aggregate: Aggregate) -> pd.DataFrame:
    """Add tiles of shards up to the tile of their partition.

    Raises:
        ValueError: a sum is too large to be kept exactly.
    """
    rows = pd.concat(tiles, ignore_index=True)
    _check_sums(rows, aggregate, ["count", "sum"])
    return _add_up(rows, list(aggregate.by), ["count", "sum"])


def sum_windows(tiles_by_age: Sequence[pd.DataFrame], aggregate: Aggregate, windows: Sequence[int]) -> pd.DataFrame:
    """Add daily tiles up over trailing windows.

    Args:
        tiles_by_age: the tile of the partition itself first, then of the day before, and so on; days before the source
            began are simply not there.
        windows: lengths in partitions, the partition itself included.

    Returns:
        One row a group: the key columns, and for every window ``count_<window>`` and ``sum_<window>`` (int64).

    Raises:
        ValueError: a sum is too large to be kept exactly.
    """
    tiles = tiles_by_age[: max(windows)]
    rows = pd.concat(tiles, ignore_index=True)
    ages = np.repeat(np.arange(len(tiles)), [len(tile) for tile in tiles])
    inside = {
        f"{name}_{window}": np.where(ages < window, rows[name].to_numpy(), 0)
        for window in windows
        for name in ("count", "sum")
    }
    keyed = pd.DataFrame({key: rows[key] for key in aggregate.by} | inside)
    _check_sums(keyed, aggregate, list(inside))
    return _add_up(keyed, list(aggregate.by), list(inside))


def roll_windows(
    before: pd.DataFrame,
    newest: pd.DataFrame | None,
    leaving: Mapping[int, pd.DataFrame],
    aggregate: Aggregate,
    windows: Sequence[int],
) -> pd.DataFrame:
    """The windows of a partition, from those of the partition before; the very frame that :func:`sum_windows` gives.

    Args:
        before: windows of the partition before, as :func:`sum_windows` gives them, of an aggregate with keys.
        newest: tile of the partition itself; None if it has none.
        leaving: by window, the tile that was in it and is not any more.

    Raises:
        ValueError: the frames do not belong together, or a sum is too large to be kept exactly.
    """
    keys = list(aggregate.by)
    totals = [f"{name}_{window}" for window in windows for name in ("count", "sum")]
    parts = [before]
    if newest is not None:
        parts.append(newest[keys].assign(**{total: newest[total.partition("_")[0]] for total in totals}))
    for window, tile in leaving.items():
        gone = {total: np.int64(0) for total in totals} | {f"{n}_{window}": -tile[n] for n in ("count", "sum")}
        parts.append(tile[keys].assign(**gone))
    rolled = pd.concat(parts, ignore_index=True).groupby(keys, sort=True, as_index=False, observed=True)[totals].sum()
    if (rolled[[f"count_{window}" for window in windows]] < 0).any(axis=None):
        raise ValueError(f"{aggregate.name}: more leaves a window than was in it")
    rolled = rolled[rolled[f"count_{max(windows)}"] > 0].reset_index(drop=True)
    _check_sums(rolled, aggregate, totals)
    return rolled


def _add_up(rows: pd.DataFrame, keys: list[str], totals: list[str]) -> pd.DataFrame:
    if keys:
        return rows.groupby(keys, sort=True, as_index=False, observed=True)[totals].sum()
    return rows[totals].sum().astype("int64").to_frame().T.reset_index(drop=True)


def _check_sums(rows: pd.DataFrame, aggregate: Aggregate, totals: list[str]) -> None:
    """Refuse sums that an int64 might not hold: they would come out wrong without a word."""
    sizes = rows[totals].astype("float64").abs()
    if (sizes.sum() < LARGEST_SUM).all():
        return
    if aggregate.by:
        sizes = sizes.groupby([rows[key] for key in aggregate.by], observed=True).sum()
        if (sizes < LARGEST_SUM).all(axis=None):
            return
    raise ValueError(
        f"{aggregate.name}: a sum has more digits than are kept exactly at scale {aggregate.scale};"
        " lower the scale, or refuse such values in the contract"
    )
