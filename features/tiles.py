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

Windows = Mapping[Aggregate, Sequence[int]]
"""Aggregates of one source with the same keys, and the lengths in partitions that each is added up over."""

LARGEST_EXACT = 2**53
LARGEST_SUM = 2.0**62
"""Half of what an int64 holds; rounding in the floats that sums are checked with does not reach the other half."""


def make_tile(rows: pd.DataFrame, feature_set: FeatureSet, aggregate: Aggregate) -> pd.DataFrame:
    """Aggregate the rows of one partition (or of one shard of it; tiles of shards are merged).

    Raises:
        ValueError: a value or a sum is infinite or too large to be kept exactly.
    """
    cut = cut_rows(rows, feature_set, [aggregate])
    return add_up_cuts([cut], [aggregate]).rename(columns={"count_0": "count", "sum_0": "sum"})


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


def add_up_cuts(cuts: Sequence[pd.DataFrame], aggregates: Sequence[Aggregate]) -> pd.DataFrame:
    """The tile that aggregates with the same keys have together, from what all rows of a partition add to it.

    Returns:
        One row a group that any of them has: the columns of :func:`cut_rows`, added up.

    Raises:
        ValueError: a sum is too large to be kept exactly.
    """
    rows = pd.concat(cuts, ignore_index=True)
    for position, aggregate in enumerate(aggregates):
        _check_sums(rows, aggregate, [f"sum_{position}"])
    keys = list(aggregates[0].by)
    return _add_up(rows, keys, [column for column in rows.columns if column not in keys])


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
    tiles = [tile.rename(columns={"count": "count_0", "sum": "sum_0"}) for tile in tiles_by_age]
    return take_windows(sum_alike(tiles, {aggregate: windows}), {aggregate: windows}, aggregate)


def sum_alike(tiles_by_age: Sequence[pd.DataFrame], windows: Windows) -> pd.DataFrame:
    """Add daily tiles that aggregates with the same keys have together up over trailing windows.

    Args:
        tiles_by_age: as of :func:`add_up_cuts`, in the order of :func:`sum_windows`.

    Returns:
        One row a group that is in any window: the key columns, and for every aggregate, by position, and window
        ``count_<position>_<window>`` and ``sum_<position>_<window>`` (int64).

    Raises:
        ValueError: a sum is too large to be kept exactly.
    """
    tiles = tiles_by_age[: find_longest(windows)]
    rows = pd.concat(tiles, ignore_index=True)
    ages = np.repeat(np.arange(len(tiles)), [len(tile) for tile in tiles])
    inside = {
        total: np.where(ages < window, rows[measure].to_numpy(), 0) for total, measure, window in _list_totals(windows)
    }
    keys = _keys_of(windows)
    keyed = pd.DataFrame({key: rows[key] for key in keys} | inside)
    _check_windows(keyed, windows)
    return _drop_empty(_add_up(keyed, keys, list(inside)), windows)


def roll_alike(
    before: pd.DataFrame, newest: pd.DataFrame | None, leaving: Mapping[int, pd.DataFrame], windows: Windows
) -> pd.DataFrame:
    """The windows of a partition, from those of the partition before; the very frame that :func:`sum_alike` gives.

    Args:
        before: windows of the partition before, as :func:`sum_alike` gives them, of aggregates with keys.
        newest: tile of the partition itself; None if it has none.
        leaving: by window, the tile that was in it and is not any more.

    Raises:
        ValueError: the frames do not belong together, or a sum is too large to be kept exactly.
    """
    keys, totals = _keys_of(windows), _list_totals(windows)
    parts = [before]
    if newest is not None:
        parts.append(newest[keys].assign(**{total: newest[measure] for total, measure, _ in totals}))
    for length, tile in leaving.items():
        gone = {total: -tile[measure] if window == length else np.int64(0) for total, measure, window in totals}
        parts.append(tile[keys].assign(**gone))
    rolled = _add_up(pd.concat(parts, ignore_index=True), keys, [total for total, _, _ in totals])
    for aggregate, counts in _list_counts(windows).items():
        if (rolled[counts] < 0).any(axis=None):
            raise ValueError(f"{aggregate.name}: more leaves a window than was in it")
    rolled = _drop_empty(rolled, windows)
    _check_windows(rolled, windows)
    return rolled


def take_windows(summed: pd.DataFrame, windows: Windows, aggregate: Aggregate) -> pd.DataFrame:
    """Of windows as of :func:`sum_alike` those of one aggregate, as of :func:`sum_windows`."""
    position = list(windows).index(aggregate)
    names = {
        f"{name}_{position}_{window}": f"{name}_{window}" for window in windows[aggregate] for name in ("count", "sum")
    }
    return summed[[*aggregate.by, *names]].rename(columns=names)


def find_longest(windows: Windows) -> int:
    """The length of the longest window of any aggregate."""
    return max(max(lengths) for lengths in windows.values())


def _list_totals(windows: Windows) -> list[tuple[str, str, int]]:
    """Columns of windows, the columns of tiles that each adds up, and over how many partitions."""
    return [
        (f"{name}_{position}_{window}", f"{name}_{position}", window)
        for position, lengths in enumerate(windows.values())
        for window in lengths
        for name in ("count", "sum")
    ]


def _list_counts(windows: Windows) -> dict[Aggregate, list[str]]:
    """Columns of every aggregate's counts, that of the longest window last."""
    return {
        aggregate: [f"count_{position}_{window}" for window in sorted(lengths)]
        for position, (aggregate, lengths) in enumerate(windows.items())
    }


def _keys_of(windows: Windows) -> list[str]:
    return list(next(iter(windows)).by)


def _drop_empty(summed: pd.DataFrame, windows: Windows) -> pd.DataFrame:
    """Without the groups that are in no window; one group of all stays."""
    if not _keys_of(windows):
        return summed
    some = summed[[counts[-1] for counts in _list_counts(windows).values()]].any(axis=1)
    return summed if some.all() else summed[some].reset_index(drop=True)


def _check_windows(summed: pd.DataFrame, windows: Windows) -> None:
    for position, (aggregate, lengths) in enumerate(windows.items()):
        _check_sums(
            summed, aggregate, [f"{name}_{position}_{window}" for window in lengths for name in ("count", "sum")]
        )


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
