"""Small charts of a report, as the attributes of SVG elements: a signal over nights, in the band of what is usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

WIDTH, HEIGHT = 220, 44
_EDGE = 4

Column = Sequence[float | None]


@dataclass(frozen=True)
class Trend:
    """What is drawn of a signal.

    Attributes:
        band: path of the area that is usual; empty where no limit is known.
        lines: path of the values, with gaps where there are none.
        dots: places of the nights that were beyond a limit.
        last: place of the newest night; None if it was not measured.
    """

    band: str
    lines: str
    dots: tuple[tuple[float, float], ...]
    last: tuple[float, float] | None


def draw_trend(signal: Mapping[str, Any]) -> Trend:
    """The trend of a signal as :func:`pipeline.tasks.viewing.series.lay_out` has it: columns and places."""
    values, lower, upper = signal["values"], signal["lower"], signal["upper"]
    known = [value for column in (values, lower, upper) for value in column if value is not None]
    if not known:
        return Trend("", "", (), None)
    low, high = min(known), max(known)
    steps, span = max(len(values) - 1, 1), (high - low) or 1.0

    def place(night: int, value: float) -> tuple[float, float]:
        x = _EDGE + (WIDTH - 2 * _EDGE) * night / steps
        y = HEIGHT - _EDGE - (HEIGHT - 2 * _EDGE) * (value - low) / span
        return round(x, 1), round(y, 1)

    bands = []
    for nights in _stretches(
        [None if one is None and other is None else 0.0 for one, other in zip(lower, upper, strict=True)]
    ):
        top = [place(night, high if upper[night] is None else upper[night]) for night in nights]
        foot = [place(night, low if lower[night] is None else lower[night]) for night in reversed(nights)]
        bands.append(f"{_path([*top, *foot])}Z")
    lines = [_path([place(night, values[night]) for night in nights]) for nights in _stretches(values)]
    return Trend(
        "".join(bands),
        "".join(lines),
        tuple(place(night, values[night]) for night in signal["breached"] if values[night] is not None),
        None if values[-1] is None else place(len(values) - 1, values[-1]),
    )


def _stretches(column: Column) -> list[list[int]]:
    """Stretches of nights on which the column is known."""
    groups = groupby(range(len(column)), key=lambda night: column[night] is not None)
    return [list(nights) for is_known, nights in groups if is_known]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
