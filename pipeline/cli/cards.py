"""The command that shows a model's card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.opening import open_job
from pipeline.cli.options import AsJson, JobName
from pipeline.cli.output import as_text, console, print_json
from pipeline.stores.model_cards import NUMBERS, PAGE, TEXT


def add_commands(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command()(card)


def card(
    job: JobName,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Version of the model, such as 3.")],
    html: Annotated[bool, typer.Option("--html", help="The page, with its plots in it, in place of Markdown.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it to a file instead of printing it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the card of a model: what it is for, was made of, how good it is and what it does not know.

    Example: `nightjar card flight_delays 3 --html --out card.html`
    """
    if html and as_json:
        raise typer.BadParameter("--html and --json are two answers; ask for one")
    workspace, declared = open_job(job)
    cards = workspace.cards(declared)
    if out is not None:
        out.write_text(cards.read(version, NUMBERS if as_json else PAGE if html else TEXT), encoding="utf-8")
    elif as_json:
        print_json(cards.read_numbers(version))
    elif html:
        console.out(cards.read(version, PAGE), highlight=False)
    else:
        console.print(as_text(cards.read(version, TEXT)), soft_wrap=True)
