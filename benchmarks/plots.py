"""Draw the growth curves from the reports of ``make bench``.

``python -m benchmarks.plots`` reads ``reports/bench-night.json`` and ``reports/bench-features.json`` and writes beside
them, as ``bench-*.svg``: seconds and memory of a night by entities, seconds of a night's features by days of history.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.stores.model_cards.drawing import CHAMPION, MODEL, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORTS = Path("reports")
SIZE = (5.2, 3.0)
"""Inches."""


def main() -> None:
    """Draw all of them."""
    nights = json.loads((REPORTS / "bench-night.json").read_text())["nights"]
    histories = json.loads((REPORTS / "bench-features.json").read_text())["histories"]
    millions = [(night["entities"] / 1e6, night) for night in nights]
    for name, key, title, unit in (
        ("night-seconds", "seconds", "Seconds of a whole night", "seconds"),
        ("night-memory", "peak_mib", "Peak memory of a whole night", "MiB"),
    ):
        lines = {
            how: [(size, night[how][key]) for size, night in millions if how in night] for how in ("nightjar", "script")
        }
        _write(name, title, lines, "million entities", unit)
    lines = {
        label: [(row["days"], row[f"{how}_seconds"]) for row in histories]
        for how, label in (("tiles", "nightjar"), ("raw", "from raw events"))
    }
    _write("features-seconds", "Seconds of a night's features", lines, "days of history", "seconds")


def _write(name: str, title: str, lines: dict[str, list[tuple[float, float]]], across: str, up: str) -> None:
    plot = draw(name, title, SIZE, _fill(title, lines, across, up))
    path = REPORTS / f"bench-{name}.svg"
    path.write_text(plot.svg)
    print(path)


def _fill(title: str, lines: dict[str, list[tuple[float, float]]], across: str, up: str) -> Callable[[Axes], None]:
    def fill(axes: Axes) -> None:
        for colour, (label, points) in zip((MODEL, CHAMPION), lines.items(), strict=True):
            numbers: Any = list(zip(*points, strict=True)) or [(), ()]
            axes.plot(*numbers, marker="o", color=colour, label=label)
        axes.set(title=title, xlabel=across, ylabel=up)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True)
        axes.legend()

    return fill


if __name__ == "__main__":
    main()
