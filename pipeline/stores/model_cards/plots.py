"""The plots of a card, each from one part of its document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pipeline.stores.model_cards.drawing import CHAMPION, INK, MODEL, Plot, as_label, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SQUARE, WIDE = (4.2, 3.9), (8.6, 3.0)
SHOWN_FEATURES = 15
_COLOURS = {"model": MODEL, "champion": CHAMPION}
_ROW = 0.24
"""Inches of a row in a list of bars."""


def draw_plots(document: Mapping[str, Any]) -> dict[str, Plot]:
    """Every plot that the document has numbers for, by name, in the order in which a card shows them."""
    curves, metric, names = document["curves"], document["quality"]["metric"], _name_models(document)
    unit = "share" if document["job"]["task"] == "binary" else "mean"
    plots = {}
    if "roc" in curves:
        plots["roc"] = _draw_roc(curves["roc"], names)
    else:
        plots["predicted"] = _draw_spread(curves["residuals"]["spread"])
        plots["residuals"] = _draw_residuals(curves["residuals"])
    plots["calibration"] = _draw_calibration(curves["calibration"], names, unit)
    plots["partitions"] = _draw_partitions(document["partitions"], names, metric)
    if document["importance"]:
        plots["importance"] = _draw_importance(document["importance"][:SHOWN_FEATURES], metric)
    if not document.get("conceals_segments"):
        for column in document["segments"]:
            if column["values"]:
                plots[column["plot"]] = _draw_segments(column, metric, names)
    return plots


def _name_models(document: Mapping[str, Any]) -> dict[str, str]:
    """Legends of the two models."""
    return {"model": f"model {document['version']}", "champion": f"champion {document['quality']['champion']}"}


def _draw_roc(curves: Mapping[str, Sequence[tuple[float, float]]], names: Mapping[str, str]) -> Plot:
    def fill(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=INK, alpha=0.5, linestyle=(0, (4, 3)), linewidth=1)
        for which in reversed(list(curves)):
            axes.plot(*zip(*curves[which], strict=True), color=_COLOURS[which], linewidth=1.8, label=names[which])
        _finish(axes, "false positive rate", "true positive rate")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.legend(loc="lower right", reverse=True)

    return draw("roc", "ROC curve on the holdout", SQUARE, fill)


def _draw_calibration(bins: Mapping[str, Sequence[Mapping[str, float]]], names: Mapping[str, str], unit: str) -> Plot:
    def fill(axes: Axes) -> None:
        for which in reversed(list(bins)):
            scores, outcomes = ([item[part] for item in bins[which]] for part in ("score", "outcome"))
            reach = [
                [item["outcome"] - item["low"] for item in bins[which]],
                [item["high"] - item["outcome"] for item in bins[which]],
            ]
            style: dict[str, Any] = {"color": _COLOURS[which], "linewidth": 1.4, "elinewidth": 0.9, "markersize": 3.5}
            axes.errorbar(scores, outcomes, yerr=reach, marker="o", label=names[which], **style)
        ends = min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot(ends, ends, color=INK, alpha=0.5, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
        _finish(axes, "mean score", f"observed {unit}")
        axes.set(xlim=ends, ylim=ends, aspect="equal")
        axes.legend(loc="upper left", reverse=True)

    return draw("calibration", "Calibration: mean score and what happened, in ten bins of as many rows", SQUARE, fill)


def _draw_spread(spread: Sequence[Mapping[str, float]]) -> Plot:
    scores, low, middle, high = ([item[part] for item in spread] for part in ("score", "low", "middle", "high"))

    def fill(axes: Axes) -> None:
        axes.fill_between(scores, low, high, color=MODEL, alpha=0.18, linewidth=0, label="8 of 10 outcomes")
        axes.plot(scores, middle, color=MODEL, marker="o", markersize=3.5, linewidth=1.4, label="their median")
        ends = min(*scores, *low), max(*scores, *high)
        axes.plot(ends, ends, color=INK, alpha=0.5, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
        _finish(axes, "predicted", "actual")
        axes.legend(loc="upper left")

    return draw("predicted", "Predicted against actual, in bins of as many rows", SQUARE, fill)


def _draw_residuals(residuals: Mapping[str, Any]) -> Plot:
    edges = residuals["edges"]

    def fill(axes: Axes) -> None:
        widths = [right - left for left, right in pairwise(edges)]
        axes.bar(edges[:-1], residuals["counts"], widths, align="edge", color=MODEL, alpha=0.75, linewidth=0)
        axes.axvline(0, color=INK, linewidth=0.8)
        _finish(axes, "predicted minus actual", "rows")

    return draw("residuals", "Residuals on the holdout; the outermost 1 % are in the last bins", WIDE, fill)


def _draw_partitions(days: Sequence[Mapping[str, Any]], names: Mapping[str, str], metric: str) -> Plot:
    places = range(len(days))
    step = max(1, -(-len(days) // 12))

    def fill(axes: Axes) -> None:
        for which, part in (("champion", "champion"), ("model", "challenger")):
            if days[0][part] is not None:
                values = [day[part] for day in days]
                style: dict[str, Any] = {"color": _COLOURS[which], "linewidth": 1.6, "marker": "o", "markersize": 3.5}
                axes.plot(places, values, label=names[which], **style)
        _finish(axes, "", metric)
        axes.set_xticks(places[::step], [day["partition"] for day in days[::step]], rotation=30, ha="right")
        axes.margins(y=0.15)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), reverse=True)

    return draw("partitions", f"{metric} by partition of the holdout; lower is better", WIDE, fill)


def _draw_importance(features: Sequence[Mapping[str, Any]], metric: str) -> Plot:
    means, spreads = ([item[part] for item in features] for part in ("mean", "spread"))

    def fill(axes: Axes) -> None:
        places = range(len(features))
        axes.barh(places, means, color=MODEL, alpha=0.8, height=0.62, linewidth=0)
        axes.errorbar(means, places, xerr=spreads, fmt="none", ecolor=INK, elinewidth=0.9)
        axes.set_yticks(places, [as_label(item["feature"]) for item in features])
        axes.invert_yaxis()
        axes.axvline(0, color=INK, linewidth=0.8)
        _finish(axes, f"{metric} gained when the feature is shuffled", "")
        axes.grid(visible=False, axis="y")

    size = (WIDE[0], 0.9 + _ROW * len(features))
    return draw("importance", "Permutation importance on rows of the holdout", size, fill)


def _draw_segments(column: Mapping[str, Any], metric: str, names: Mapping[str, str]) -> Plot:
    values = column["values"]

    def fill(axes: Axes) -> None:
        places = range(len(values))
        if values[0]["champion"] is not None:
            old = [value["champion"] for value in values]
            axes.plot(old, places, "D", color=CHAMPION, markersize=4.5, label=names["champion"])
        new = [value["challenger"] for value in values]
        reach = [
            [max(value["challenger"] - value["low"], 0) for value in values],
            [max(value["high"] - value["challenger"], 0) for value in values],
        ]
        axes.errorbar(new, places, xerr=reach, fmt="o", color=MODEL, markersize=4.5, label=names["model"])
        axes.set_yticks(places, [as_label(value["value"]) for value in values])
        axes.set_ylim(len(values) - 0.5, -0.5)
        _finish(axes, f"{metric}, with its 95 % interval", "")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), reverse=True)

    size = (WIDE[0], 1.0 + _ROW * len(values))
    return draw(column["plot"], f"{metric} by {as_label(column['column'])}", size, fill)


def _finish(axes: Axes, across: str, up: str) -> None:
    axes.set(xlabel=across, ylabel=up)
    axes.grid(visible=True)
    axes.tick_params(length=0)
