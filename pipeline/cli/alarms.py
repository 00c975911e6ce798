"""The command that lists alarms."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline import tasks
from pipeline.cli.night_report import describe_usual, describe_value
from pipeline.cli.opening import open_job
from pipeline.cli.options import AsJson, JobName
from pipeline.cli.output import console, print_json, print_table


def add_commands(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command()(alarms)


def alarms(
    job: JobName,
    last: Annotated[int, typer.Option("--last", min=0, help="How many of those that are over to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the alarms that stand, and the last that were resolved and why, newest first.

    Example: `nightjar alarms flight_delays`
    """
    found = tasks.list_alarms(*open_job(job), last=last)
    if as_json:
        print_json(found)
        return
    if found["open"]:
        print_table(
            f"alarms of {job}",
            ("signal", "severity", "since", "raised by", "value", "usual", "found"),
            [_describe(alarm) for alarm in found["open"]],
        )
    else:
        console.print(f"no alarm of {job} stands", markup=False)
    if found["resolved"]:
        print_table(
            "resolved",
            ("signal", "severity", "since", "raised by", "resolved by", "why"),
            [
                (
                    alarm["signal"],
                    alarm["severity"],
                    alarm["since"],
                    alarm["partition"],
                    alarm["resolved_by"],
                    _describe_end(alarm),
                )
                for alarm in found["resolved"]
            ],
        )


def _describe(alarm: dict[str, Any]) -> tuple[Any, ...]:
    return (
        alarm["signal"],
        alarm["severity"],
        alarm["since"],
        alarm["partition"],
        describe_value(alarm["value"], alarm["unit"]),
        describe_usual(alarm),
        alarm["found"] or ", ".join(part["name"] for part in alarm["worst"][:3]) or None,
    )


def _describe_end(alarm: dict[str, Any]) -> str:
    why = str(alarm["why_resolved"])
    return why if alarm["judged"] else f"not known to be well, {why}"
