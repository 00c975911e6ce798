"""The report of a night as a page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment

from pipeline.monitoring import MONITORS
from pipeline.stores.night_reports.trends import HEIGHT, WIDTH, draw_trend
from pipeline.stores.page_templates import open_templates, show_number

SHOWN_FEATURES = 15

_SECONDS = ((1.0, 1000.0, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min"))


def render_report(document: Mapping[str, Any]) -> bytes:
    """The page of what ``tasks.write_night_report`` gathers of a night."""
    drift = document["drift"][:SHOWN_FEATURES]
    longest = max((max(item["score"] or 0.0, item["limit"] or 0.0) for item in drift), default=0.0) or 1.0
    page = _templates().get_template("night_report.html")
    shown = {"monitors": MONITORS, "drift": drift, "longest": longest, "trend_size": (WIDTH, HEIGHT)}
    shown |= {"most_features": SHOWN_FEATURES}
    trends = {name: draw_trend(signal) for name, signal in document["trends"].items()}
    return page.render(**{**document, **shown, "trends": trends}).encode()


def show_measure(value: float | None, unit: str = "") -> str:
    """A value in its unit, such as ``3.4 %`` or ``1.2 ms``."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{show_number(100 * value, 3)} %"
    if unit == "bytes":
        return f"{show_number(value / 2**20, 3)} MiB"
    if unit == "seconds":
        factor, name = next(((factor, name) for most, factor, name in _SECONDS if value < most), (1 / 3600, "h"))
        return f"{show_number(factor * value, 3)} {name}"
    return f"{show_number(value, 3)} {unit}".rstrip()


def show_change(value: float) -> str:
    """A difference with its sign."""
    return f"{'+' if value > 0 else ''}{show_number(value, 3)}"


def show_usual(signal: Mapping[str, Any]) -> str:
    """Where a signal usually is, in words."""
    lower, upper = (
        None if signal[end] is None else show_measure(signal[end], signal["unit"]) for end in ("lower", "upper")
    )
    if lower is not None and upper is not None:
        return f"{lower} to {upper}"
    if upper is not None:
        return f"up to {upper}"
    return "not known yet" if lower is None else f"from {lower}"


@cache
def _templates() -> Environment:
    templates = open_templates()
    templates.filters |= {"change": show_change, "measure": show_measure, "usual": show_usual}
    return templates
