"""Commands for one machine: demo, up, down."""

from __future__ import annotations

import typer

from pipeline.cli.options import AsJson
from pipeline.cli.output import console, print_json
from pipeline.settings import Settings


def add_commands(application: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (demo, up, down):
        application.command()(command)


def demo() -> None:
    """Run real nights on an embedded Airflow and Redis, print the report, and stop everything.

    Example: `nightjar demo`
    """
    from pipeline.local import run_demo  # noqa: PLC0415 - only this command needs it

    raise typer.Exit(run_demo(Settings.from_environment()))


def up() -> None:
    """Like demo, and leave it running: prints where the UIs of Airflow and MLflow are, and the login.

    Example: `nightjar up`
    """
    from pipeline.local import run_demo  # noqa: PLC0415 - only this command needs it

    raise typer.Exit(run_demo(Settings.from_environment(), keep_running=True))


def down(as_json: AsJson = False) -> None:
    """Stop what `nightjar up` left running, and everything that it started.

    Example: `nightjar down`
    """
    from pipeline.local import stop  # noqa: PLC0415 - only this command needs it

    ended = stop(Settings.from_environment())
    if as_json:
        print_json({"ended": ended})
    else:
        console.print(f"{ended} processes ended" if ended else "nothing was running")
