"""Drawing: figures of matplotlib as SVG that follows the reader's light or dark theme, byte for byte the same.

Colours are placeholders in the figure, and variables of a style sheet in the SVG.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from pipeline.errors import escape_controls

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GRID, MODEL, CHAMPION = "#010203", "#010204", "#010205", "#010206"
_NAMES = {INK: "ink", GRID: "grid", MODEL: "model", CHAMPION: "champion"}
_STYLE = (
    "svg.plot{--ink:#3b4148;--grid:#d8dde3;--model:#0b6bcb;--champion:#c25e00;font-family:system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){"
    "svg.plot{--ink:#c3cad2;--grid:#3a414a;--model:#6cb2ff;--champion:#f0a35e}}"
)
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.titlesize": 9,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "lines.solid_capstyle": "round",
}
_NO_CHARACTERS = re.compile("[\ufffe\uffff]")
_LONGEST_LABEL = 28


@dataclass(frozen=True)
class Plot:
    """A drawn figure.

    Attributes:
        title: what it shows, in a line.
        svg: a document of its own.
    """

    title: str
    svg: str

    @property
    def inline(self) -> Markup:
        """The same as an element of a page."""
        return Markup(self.svg[self.svg.index("<svg") :])  # noqa: S704 - matplotlib escapes text, and so does draw


def draw(name: str, title: str, size: tuple[float, float], fill: Callable[[Axes], None]) -> Plot:
    """Draw one pair of axes.

    Args:
        name: of the plot; it keeps ids of one figure apart from those of others on a page.
        size: width and height in inches.
        fill: draws into the axes, with the colours of this module.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        mpl.rcParams["svg.hashsalt"] = f"nightjar-{name}"
        # A script that the font lacks is drawn by the browser all the same, and a warning would quote the value.
        warnings.filterwarnings("ignore", message="Glyph ")
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        fill(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return Plot(title, _style(buffer.getvalue(), title))


def as_label(text: str) -> str:
    """``text`` as an SVG can hold it, and short enough to stand beside an axis."""
    plain = _NO_CHARACTERS.sub("\ufffd", escape_controls(text))
    return plain if len(plain) <= _LONGEST_LABEL else plain[: _LONGEST_LABEL - 1] + "…"


def _style(svg: str, title: str) -> str:
    for colour, name in _NAMES.items():
        svg = svg.replace(colour, f"var(--{name})")
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    opening = f'<svg class="plot" role="img" aria-label="{escape(title)}" '
    return svg.replace("<svg ", opening, 1).replace("<defs>", f"<style>{_STYLE}</style>\n <defs>", 1)
