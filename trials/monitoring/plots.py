"""Plots of a watched period: signals beside their limits, with alarms and disruptions, as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from trials.monitoring.disruptions import Disruption
from trials.monitoring.judging import Alarm, Watched, read_alarms

SIZE = (9.0, 2.4)
"""Inches."""


def plot_signal(
    watched: Watched, signal: str, disruptions: Sequence[Disruption], label: str, scale: str = "linear"
) -> bytes:
    """One signal by partition: its value, what is usual, its alarms (red) and the disruptions (grey)."""
    found = [
        (date.fromisoformat(night["partition"]), item) for night in watched["nights"] for item in _list(night, signal)
    ]
    days = [day for day, _ in found]
    figure, axes = _open_figure()
    axes.set_yscale(scale)
    _shade(axes, disruptions, [alarm for alarm in read_alarms(watched["alarms"]) if alarm.signal == signal])
    for side in ("lower", "upper"):
        if any(item[side] is not None for _, item in found):
            limits = [float("nan") if item[side] is None else item[side] for _, item in found]
            axes.plot(days, limits, color="tab:orange", linewidth=1, label="limit" if side == "upper" else None)
    values = [float("nan") if item["value"] is None else item["value"] for _, item in found]
    axes.plot(days, values, color="tab:blue", linewidth=1, marker=".", markersize=3, label=label)
    return _save(figure, axes, label)


def plot_estimate(watched: Watched, metric: str, label: str) -> bytes:
    """What was estimated before the labels, and what they then said."""
    nights = [(date.fromisoformat(night["partition"]), night) for night in watched["nights"]]
    figure, axes = _open_figure()
    realised = [(day, night["graded"]["metrics"][metric]) for day, night in nights if _has(night["graded"], metric)]
    estimated = [(day, night["estimate"]) for day, night in nights if _has(night["estimate"], metric)]
    axes.plot(*_unzip(realised), color="black", linewidth=1, marker=".", markersize=3, label="realised")
    for muted, colour, word in ((False, "tab:blue", "estimated"), (True, "tab:red", "estimated, muted")):
        points = [(day, item["metrics"][metric]) for day, item in estimated if (item["muted"] is not None) == muted]
        axes.plot(*_unzip(points), color=colour, linestyle="", marker=".", markersize=4, label=word)
    return _save(figure, axes, label)


def _list(night: dict[str, Any], signal: str) -> list[dict[str, Any]]:
    signals = [*night["signals"], *(night["graded"] or {}).get("signals", ())]
    return [item for item in signals if item["name"] == signal]


def _has(record: dict[str, Any] | None, metric: str) -> bool:
    return record is not None and metric in record["metrics"]


def _unzip(points: Sequence[tuple[date, float]]) -> tuple[list[date], list[float]]:
    return [day for day, _ in points], [value for _, value in points]


def _shade(axes: Any, disruptions: Sequence[Disruption], alarms: Sequence[Alarm]) -> None:
    half = timedelta(hours=12)
    for number, item in enumerate(disruptions):
        label = "disruption" if number == 0 else None
        axes.axvspan(item.first - timedelta(days=1) - half, item.last + half, color="0.85", linewidth=0, label=label)
    for number, alarm in enumerate(alarms):
        axes.axvline(alarm.raised, color="tab:red", linewidth=1, label="alarm" if number == 0 else None)


def _open_figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: Any, axes: Any, label: str) -> bytes:
    import matplotlib as mpl

    axes.set_ylabel(label)
    axes.legend(fontsize=8, ncols=4, frameon=False, loc="upper left")
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "nightjar", "svg.fonttype": "none", "font.size": 9}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
