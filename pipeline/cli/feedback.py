"""The command that grades what was served as labels arrive."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline import tasks
from pipeline.cli.night_report import print_alarms
from pipeline.cli.opening import open_job
from pipeline.cli.options import AsJson, JobName
from pipeline.cli.output import console, error_console, print_json, print_table
from pipeline.cli.working import name_run


def add_commands(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command()(feedback)


def feedback(
    job: JobName,
    partition: Annotated[
        str | None,
        typer.Option("--partition", metavar="YYYY-MM-DD", help="Look at this night alone; default: all that are due."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Grade the served nights whose labels have closed, and those again whose labels were corrected since.

    What was graded with the newest labels stays as it is.

    Example: `nightjar feedback flight_delays`
    """
    workspace, declared = open_job(job)
    done = tasks.grade_closed(workspace, declared, name_run(), partition=partition)
    if as_json:
        print_json(done)
        return
    if done["graded"]:
        metric = done["graded"][0]["metric"]
        print_table(
            f"graded nights of {job}",
            ("partition", "model", "labelled", metric, "estimate", "gap", "beyond limits"),
            [_describe(night) for night in done["graded"]],
        )
    else:
        console.print(f"nothing of {job} was to be graded", markup=False)
    for reason, nights in done["skipped"].items():
        error_console.print(f"not graded: {_shorten(nights)}: {reason}", style="yellow", markup=False, soft_wrap=True)
    print_alarms(done)
    if done["ask"] is not None:
        console.print(f"asks for a training: {done['ask']}", style="yellow", markup=False, soft_wrap=True)


def _describe(night: dict[str, Any]) -> tuple[Any, ...]:
    numbers = ("" if night[name] is None else f"{night[name]:.4f}" for name in ("realised", "estimated", "gap"))
    labelled = f"{night['labelled']} of {night['scored']}"
    if night["corrected"]:
        labelled += f", {night['corrected']} corrected"
    return night["partition"], night["model_version"], labelled, *numbers, ", ".join(night["breached"])


def _shorten(nights: list[str]) -> str:
    return nights[0] if len(nights) == 1 else f"{len(nights)} nights from {nights[0]} to {nights[-1]}"
