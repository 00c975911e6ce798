"""How unusual a night is among others, for the many parts of it together: its features, or its segments.

Every part is measured in its own spread, and the night by the part that is furthest out.  The limit is learnt from the
same of the nights before (max-T: Westfall, Young 1993), so it is corrected for however many parts there are, and parts
that move together are not corrected for twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.job import Monitoring
from pipeline.stages.monitor.limits import fewest_nights, learn_upper, measure_spread


@dataclass(frozen=True)
class Unusual:
    """A night among those before it.

    Attributes:
        scores: of the parts that enough nights had: how far out each is, in its spread.
        limit: of the largest of the scores; None if too few nights are known.
        nights: how many that was learnt from.
    """

    scores: dict[str, float]
    limit: float | None
    nights: int

    @property
    def largest(self) -> float | None:
        """The score of the part that is furthest out."""
        return max(self.scores.values(), default=None)


def count_needed(minimum: int, false_alarms: float) -> int:
    """Nights below which nothing is compared: the job's minimum, or what so low a rate takes."""
    return max(minimum, fewest_nights(false_alarms))


def describe_waiting(nights: int, limits: Monitoring) -> str:
    """Why there is no limit yet."""
    return f"{nights} of the {count_needed(limits.minimum, limits.false_alarms)} nights that a limit is learnt from"


def compare_night(
    tonight: Mapping[str, float],
    past: Sequence[Mapping[str, float]],
    *,
    noise: Mapping[str, float],
    needed: int,
    false_alarms: float,
    two_sided: bool = False,
) -> Unusual:
    """Score every part of a night, and learn the limit of the largest score.

    Medians and spreads are taken over tonight as well: only then is tonight one of many nights that could have come in
    any order, which is what the rate of false alarms rests on.  Of as many nights as are needed, one moves them little.

    Args:
        tonight: value by part.
        past: the same of nights before, oldest first; a night may lack parts.
        noise: by part of tonight, the standard deviation that chance alone gives its value: no spread is smaller.
        needed: nights that must have had a part for it to be scored.
        two_sided: whether a value may be too low as well.
    """
    parts = [name for name in tonight if sum(name in night for night in past) >= needed]
    if not parts:
        return Unusual({}, None, len(past))
    table = np.array([[night.get(name, np.nan) for name in parts] for night in (*past, tonight)])
    columns = [
        _score_part(values, noise.get(name, 0.0), two_sided) for name, values in zip(parts, table.T, strict=True)
    ]
    scores = np.column_stack(columns)
    nights = scores[:-1][~np.isnan(scores[:-1]).all(axis=1)]
    limit = learn_upper(np.nanmax(nights, axis=1).tolist(), false_alarms)
    return Unusual(dict(zip(parts, scores[-1].tolist(), strict=True)), limit, len(nights))


def _score_part(values: np.ndarray, noise: float, two_sided: bool) -> np.ndarray:
    """Spreads from the median; NaN where the value is."""
    known = values[~np.isnan(values)]
    away = values - np.median(known)
    above = _divide(away, max(measure_spread(known), noise))
    return np.maximum(above, _divide(-away, max(measure_spread(-known), noise))) if two_sided else above


def _divide(away: np.ndarray, spread: float) -> np.ndarray:
    """``away / spread``; where nothing is spread, a thousand for whatever is away at all."""
    return away / spread if spread > 0 else np.where(np.isnan(away), np.nan, np.sign(away) * _FAR)


_FAR = 1000.0
"""Score of a change of what never changed and cannot by chance: beyond every limit, and a number in JSON."""
