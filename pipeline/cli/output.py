"""How commands answer: tables for people, JSON for machines, errors on the error stream."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import NightjarError, escape_controls

PLAIN_WIDTH = 160
"""Columns of tables that no terminal shows: wide enough for ids and moments in one piece."""

console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
error_console = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on the output stream."""
    console.out(json.dumps(value, indent=2, ensure_ascii=False), highlight=False)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; what is missing is a dash."""
    table = Table(title=as_text(title, style="table.title"), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("-" if cell is None else as_text(str(cell)) for cell in row))
    console.print(table)


def as_text(text: str, style: str = "") -> Text:
    """``text`` as it is: no markup, no emoji, and what would steer the terminal written out."""
    return Text("\n".join(map(escape_controls, text.split("\n"))), style=style)


def print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Names and values, one a line."""
    print_table(title, ("", ""), facts.items())


def print_error(error: NightjarError, *, as_json: bool) -> None:
    """An error, whole, on the error stream."""
    if as_json:
        error_console.out(json.dumps(error.to_json(), indent=2, ensure_ascii=False), highlight=False)
    else:
        error_console.print(as_text(str(error), style="red"), soft_wrap=True)
