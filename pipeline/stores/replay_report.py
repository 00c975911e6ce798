"""The report of a replay as one page that opens from disk and asks nothing of the network."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader

from pipeline.stores.replay_plots import plot_metric


def render_report(report: Mapping[str, Any]) -> bytes:
    """The page of what ``tasks.replay`` gave: plots, policies, what the gate did, every decision."""
    plots = {metric: _embed(plot_metric(report, metric)) for metric in report["metrics"]}
    halves = next(iter(report["policies"].values()))["halves"]
    gates = [item for item in report["comparisons"] if item["kind"] == "gate"]
    against = [item for item in report["comparisons"] if item["kind"] == "policy"]
    page = _templates().get_template("replay.html")
    return page.render(report=report, plots=plots, halves=list(halves), gates=gates, against=against).encode()


def _embed(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _signed(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:+.{digits}f}"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.stores"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=_number, signed=_signed)
    return environment
