"""The command that replays a period under several retraining policies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline import tasks
from pipeline.cli.opening import open_job
from pipeline.cli.options import AsJson, JobName
from pipeline.cli.output import console, error_console, print_json, print_table

PHASES = ("land", "validate", "build features", "train", "decide", "score", "watch")


def add_commands(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command()(replay)


def replay(
    job: JobName,
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First night.")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last night.")],
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="NAME", help="A retraining policy; may be repeated; default: the usual."),
    ] = None,
    retrain: Annotated[
        str | None,
        typer.Option("--retrain", metavar="DAYS", help="Also retrain every so many days, such as 7d or 14d."),
    ] = None,
    watch: Annotated[
        str | None,
        typer.Option("--watch", metavar="NAME", help="Also watch the nights of this policy: watched.json."),
    ] = None,
    report: Annotated[
        Path,
        typer.Option(
            "--report", metavar="FOLDER", help="Where replay.json and replay.html go.", file_okay=False, writable=True
        ),
    ] = Path("reports"),
    as_json: AsJson = False,
) -> None:
    """Run the nights and retrainings of a period as production would have, by several policies, and compare them.

    Neither Airflow nor Redis is needed, and production's models stay as they are.  Stopped, it goes on where it was.

    Example: `nightjar replay flight_delays --from 2013-04-01 --to 2013-12-30 --policy never --policy weekly`
    """
    from pipeline.stores.replay_report import render_report  # noqa: PLC0415 - imports jinja2

    policies = tasks.choose_policies(policy or [], None if retrain is None else _parse_days(retrain))
    _check_watched(watch, [each.name for each in policies])
    workspace, declared = open_job(job)
    days = (tasks.parse_partition(first, declared), tasks.parse_partition(last, declared))
    report.mkdir(parents=True, exist_ok=True)
    with _show_progress() as progress:
        shown = {phase: progress.add_task(phase, total=None, visible=False) for phase in PHASES}
        described = tasks.replay(
            workspace,
            declared,
            *days,
            policies,
            lambda phase, done, total: progress.update(shown[phase], completed=done, total=total, visible=True),
            watch=watch,
        )
    if (watched := described.pop("watched", None)) is not None:
        (report / "watched.json").write_text(json.dumps(watched) + "\n")
    (report / "replay.json").write_text(json.dumps(described, indent=2) + "\n")
    (report / "replay.html").write_bytes(render_report(described))
    if as_json:
        print_json(described)
        return
    _show(described)
    console.print(f"the report is {report / 'replay.html'}", markup=False, soft_wrap=True)


def _check_watched(watch: str | None, policies: Sequence[str]) -> None:
    if watch is not None and watch not in policies:
        problem = f"{watch!r} is none of the policies that are replayed: {', '.join(policies)}"
        raise typer.BadParameter(problem, param_hint="--watch")


def _show_progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=error_console, transient=True)


def _show(described: dict[str, Any]) -> None:
    counts = ("promotions", "harmful_promotions", "harmful_rejections", "worse_nights")
    print_table(
        f"{described['job']} {described['first']} to {described['last']}: means over weeks",
        ("policy", *described["metrics"], *counts, "seconds"),
        [
            (
                name,
                *(_word(found["intervals"][metric]["mean"]) for metric in described["metrics"]),
                *(found[count] for count in counts),
                round(found["seconds"]),
            )
            for name, found in described["policies"].items()
        ],
    )


def _word(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _parse_days(text: str) -> int:
    number = text.removesuffix("d")
    if not number.isdecimal() or not int(number):
        raise typer.BadParameter(f"{text!r} is no number of days such as 7d", param_hint="--retrain")
    return int(number)
