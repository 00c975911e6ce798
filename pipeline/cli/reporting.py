"""The command that reports on a night that was watched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import tasks
from pipeline.cli.opening import open_job
from pipeline.cli.options import AsJson, JobName, Partition
from pipeline.cli.output import console, print_json, print_table


def add_commands(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command()(report)


def report(
    job: JobName,
    partition: Partition,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the page, to send it to somebody.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was watched of a night: its signals beside what is usual, and the alarms that were open.

    Example: `nightjar report flight_delays --partition 2013-04-01 --html report.html`
    """
    workspace, declared = open_job(job)
    if html is not None:
        path = tasks.write_night_report(workspace, declared, partition)
        html.write_bytes(workspace.lake.read_bytes(path))
    night = tasks.view_night(workspace, declared, partition)
    if as_json:
        print_json(night)
        return
    titles = tasks.describe_job(declared)["titles"]
    signals = [*(night["observed"] or {}).get("signals", ()), *(night["graded"] or {}).get("signals", ())]
    print_table(
        f"{job} {partition}",
        ("signal", "value", "from", "to", ""),
        [
            (
                titles.get(signal["name"], signal["name"]),
                signal["value"],
                signal["lower"],
                signal["upper"],
                signal["muted"] or ("unusual" if signal["breached"] else ""),
            )
            for signal in signals
        ],
    )
    for episode in night["episodes"]:
        title = titles.get(episode["signal"], episode["signal"])
        console.print(f"alarm: {title} ({episode['severity']}) since {episode['since']}", style="yellow", markup=False)
