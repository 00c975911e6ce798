"""Cards as text and page: a document's values, escaped for where they stand.

A page asks nothing of the network and runs nothing: a Content-Security-Policy forbids both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from pipeline.errors import escape_controls
from pipeline.stores.model_cards.drawing import Plot
from pipeline.stores.model_cards.plots import draw_plots
from pipeline.stores.page_templates import open_templates, show_number

_MARKDOWN = re.compile(r"[\\`*\[\]|~]|(?<![A-Za-z0-9_])_+|_+(?![A-Za-z0-9_])|(?<=www)\.|:(?=//)")
"""What means something to Markdown in the middle of a line; underscores between letters do not."""


def render_card(document: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a card by their paths inside it: ``card.md``, ``card.html`` and what they show."""
    plots = draw_plots(document)
    files = {f"plots/{name}.svg": plot.svg.encode() for name, plot in plots.items()}
    files["card.md"] = _render(_markdown(), "model_card.md", document, plots)
    files["card.html"] = _render(_html(), "model_card.html", document, plots)
    return files


def _render(templates: Environment, name: str, document: Mapping[str, Any], plots: Mapping[str, Plot]) -> bytes:
    return templates.get_template(name).render(**document, plots=plots).encode()


def escape_markdown(value: Any) -> Any:
    """A value as Markdown that shows it; text of the template itself and what is safe already stay."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    text = escape_controls(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _MARKDOWN.sub(lambda found: "".join(f"\\{mark}" for mark in found.group()), text)
    return Markup(escaped)  # noqa: S704 - escaped in the lines above


def _difference(value: Mapping[str, float] | None) -> str:
    if value is None:
        return "-"
    signed = {
        name: ("+" if value[name] > 0 else "") + show_number(value[name]) for name in ("difference", "low", "high")
    }
    return "{difference} ({low} to {high})".format_map(signed)


@cache
def _html() -> Environment:
    return _add_difference(open_templates())


@cache
def _markdown() -> Environment:
    return _add_difference(open_templates(escape_markdown))


def _add_difference(templates: Environment) -> Environment:
    templates.filters["difference"] = _difference
    return templates
