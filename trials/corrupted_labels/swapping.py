"""The fault: late and punctual flights swap outcomes, as when results are joined to the wrong rows."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.flight_delays import is_late
from trials.faults.corruptions import to_table


def swap_outcomes(flights: pa.Table, since: datetime, cutoff: datetime, chance: np.random.Generator) -> pa.Table:
    """Pairs of a late and a punctual flight swap their delays; when they became known moves with them.

    A pair of which a flight would have become known before ``since`` or not before ``cutoff`` stays as it is, because
    its outcome would be in the delivery of another day.
    """
    rows = flights.to_pandas()
    pairs = _draw_pairs(rows, chance)
    delay = rows["arr_delay"].to_numpy()
    known = rows["known_at"].dt.tz_convert(None).to_numpy(copy=True)
    moved = known[pairs] + (delay[pairs[::-1]] - delay[pairs]).astype("timedelta64[m]")
    stays = ((moved >= _as_utc(since)) & (moved < _as_utc(cutoff))).all(axis=0)
    to, others = pairs[:, stays].ravel(), pairs[::-1, stays].ravel()
    swapped = {name: rows[name].to_numpy(copy=True) for name in ("dep_delay", "arr_delay")}
    for values in swapped.values():
        values[to] = values[others]
    known[to] = moved[:, stays].ravel()
    return to_table(rows.assign(**swapped, known_at=pd.DatetimeIndex(known).tz_localize("UTC")), flights.schema)


def _draw_pairs(rows: pd.DataFrame, chance: np.random.Generator) -> npt.NDArray[np.int64]:
    """Positions of late flights, and below each that of a punctual one; no flight twice."""
    lateness = is_late(rows["arr_delay"]).to_numpy()
    late, punctual = (chance.permutation(np.flatnonzero(lateness == value)) for value in (1, 0))
    count = min(len(late), len(punctual))
    return np.stack([late[:count], punctual[:count]])


def _as_utc(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None))
