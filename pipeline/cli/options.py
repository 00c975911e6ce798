"""Options that several commands share."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer


def name_user() -> str:
    """Who is logged in, for a decision that names nobody.

    Raises:
        typer.BadParameter: the system knows no name, as in a container that runs under a number.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise typer.BadParameter("this user has no name, so say who decides: --who NAME") from error


JobName = Annotated[str, typer.Argument(metavar="JOB", help="Name of the job, such as flight_delays.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]
Apply = Annotated[bool, typer.Option("--apply/--dry-run", help="Do it; by default it is only shown.")]
Who = Annotated[
    str,
    typer.Option(
        "--who", metavar="NAME", default_factory=name_user, show_default=False, help="Who decides; default: you."
    ),
]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason in one line, for whoever asks later.")]
Partition = Annotated[str, typer.Option("--partition", metavar="YYYY-MM-DD", help="Day of upstream data to work on.")]
