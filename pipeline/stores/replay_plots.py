"""Plots of a replay: each metric by week, one line a policy, as SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date
from typing import Any

_SIZE = (9.0, 3.2)
"""Inches."""


def plot_metric(report: Mapping[str, Any], metric: str) -> bytes:
    """The metric of every policy by week, as an SVG that is the same for the same report."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "nightjar", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        for name, policy in report["policies"].items():
            weeks = [date.fromisoformat(week["week"]) for week in policy["weeks"]]
            values = [week[metric] for week in policy["weeks"]]
            axes.plot(weeks, values, marker=".", linewidth=1, label=name)  # type: ignore[arg-type]  # days are fine
        if report["tuned_before"] is not None:
            bound: Any = date.fromisoformat(report["tuned_before"])
            axes.axvline(bound, color="grey", linestyle=":", linewidth=1)
        axes.set_ylabel(metric.replace("_", " "))
        axes.legend(fontsize=8, ncols=4, frameon=False)
        axes.grid(alpha=0.3)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
