"""Templates of pages that are kept in the lake: what is shown is escaped, and has no control characters."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from pipeline.errors import escape_controls


def open_templates(finalize: Any = None) -> Environment:
    """The templates, with the filter ``number``.

    Args:
        finalize: what becomes of every value before it is escaped; default: :func:`show_plain`.
    """
    loader = PackageLoader("pipeline.stores")
    made = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=finalize or show_plain
    )
    made.filters["number"] = show_number
    return made


def show_plain(value: Any) -> Any:
    """A value for a page: no control characters."""
    return escape_controls(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def show_number(value: float | None, digits: int = 4) -> str:
    """A number with as many digits as people read; what is missing is a dash."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
