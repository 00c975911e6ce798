"""Tiles: daily aggregates that trailing windows are added up from.

A tile is a frame with the aggregate's key columns, ``count`` (int64: rows with a value) and ``sum`` (int64: the values
in units of ``10 ** -scale``), one row a group, sorted by key.  Integers add up to the same whatever their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
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
    keys = list(aggregate.by)
    needed = [*keys, *([aggregate.value] if aggregate.value else [])]
    columns = compute_columns(rows, feature_set, dict.fromkeys(needed))
    if aggregate.value is None:
        scaled = pd.Series(0, index=rows.index, dtype="int64")
        present = np.ones(len(rows), dtype=bool)
    else:
        values = columns[aggregate.value].to_numpy(dtype="float64", na_value=np.nan)
        present = ~np.isnan(values)
        units = np.rint(np.where(present, values, 0.0) * 10.0**aggregate.scale)
        if not (np.abs(units) < LARGEST_EXACT).all():
            raise ValueError(
                f"{aggregate.name}: a value is infinite or has more than 15 digits at scale {aggregate.scale}"
            )
        scaled = pd.Series(units.astype("int64"), index=rows.index)
    for key in keys:
        present &= columns[key].notna().to_numpy()
    tile = columns[keys].assign(count=np.int64(1), sum=scaled)[present]
    return _add_up(tile, aggregate, ["count", "sum"])


def merge_tiles(tiles: Sequence[pd.DataFrame], aggregate: Aggregate) -> pd.DataFrame:
    """Add tiles of shards up to the tile of their partition.

    Raises:
        ValueError: a sum is too large to be kept exactly.
    """
    return _add_up(pd.concat(tiles, ignore_index=True), aggregate, ["count", "sum"])


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
    return _add_up(keyed, aggregate, list(inside))


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


def _add_up(rows: pd.DataFrame, aggregate: Aggregate, totals: list[str]) -> pd.DataFrame:
    _check_sums(rows, aggregate, totals)
    if aggregate.by:
        return rows.groupby(list(aggregate.by), sort=True, as_index=False, observed=True)[totals].sum()
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
