"""The command that watches from outside of Airflow: check."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline import tasks
from pipeline.cli.options import AsJson
from pipeline.cli.output import as_text, console, print_json
from pipeline.jobs import load_job, load_jobs
from pipeline.settings import Settings

_MARKS = {"fine": ("✓", "green"), "wrong": ("✗", "red"), "unknown": ("?", "yellow")}


def add_commands(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command()(check)


def check(
    jobs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[JOB]…", help="Names of jobs; by default all that ever released something."),
    ] = None,
    tell: Annotated[bool, typer.Option("--tell", help="Tell people what they were not told yet.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check what is served, from the lake and Redis alone: for cron, also when Airflow is down.  Exits with 1 if
    something is wrong or cannot be looked at.

    Example: `nightjar check flight_delays --tell`
    """
    settings = Settings.from_environment()
    chosen = [load_job(settings, name) for name in jobs] if jobs else load_jobs(settings)
    report = tasks.check_jobs(tasks.open_workspace(settings), chosen, tell=tell, named=bool(jobs))
    if as_json:
        print_json(report)
    else:
        _print(report)
    if not report["fine"]:
        raise typer.Exit(1)


def _print(report: dict[str, Any]) -> None:
    if report["clock_moved"]:
        console.print(as_text(f"as of {report['at']}, as NIGHTJAR_CLOCK says"))
    for name, job in report["jobs"].items():
        console.print(as_text(name, style="bold"))
        for finding in job["findings"]:
            mark, style = _MARKS[finding["state"]]
            console.print(as_text(f"  {mark} {finding['part']}: {finding['says']}", style=style), soft_wrap=True)
        if "told" in job:
            console.print(as_text(f"  told: {', '.join(job['told']) or 'nothing new'}"))
