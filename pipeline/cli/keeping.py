"""Commands that answer for data and keep house: accept, erase, redeliveries, retain."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline import tasks
from pipeline.cli.opening import open_job
from pipeline.cli.options import Apply, AsJson, JobName, Partition, Why
from pipeline.cli.output import console, error_console, print_facts, print_json, print_table

Answerable = Annotated[
    str,
    typer.Option("--who", metavar="NAME", help="The person who answers for it; readers are shown who accepted what."),
]
"""Required: a login is often shared, or that of a container, and answers for nothing."""


def add_commands(application: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (accept, erase, redeliveries, retain):
        application.command()(command)


def accept(
    job: JobName,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Name of the source.")],
    partition: Partition,
    who: Answerable,
    why: Why,
    delivery: Annotated[
        str | None,
        typer.Option("--delivery", metavar="DIGEST", help="Digest of the delivery, or its beginning; default: newest."),
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Accept that the partition was never delivered: windows do without it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take a delivery that was refused as it is: its verdict is waived, its refused rows stay in quarantine.

    Example: `nightjar accept flight_delays weather --partition 2013-02-12 --who "Jane Doe" --why "snow, not a fault"`
    """
    if missing and delivery is not None:
        raise typer.BadParameter("a partition that was never delivered has no delivery to name")
    workspace, declared = open_job(job)
    if missing:
        acceptance, is_new = tasks.accept_missing(workspace, declared, source, partition, who=who, why=why)
    else:
        acceptance, is_new = tasks.accept_delivery(
            workspace, declared, source, partition, who=who, why=why, delivery=delivery
        )
    if as_json:
        print_json({**acceptance.to_json(), "new": is_new})
        return
    title = "accepted" if is_new else "was accepted before, and that holds"
    print_facts(f"{source} of {partition} {title}", acceptance.to_json())
    console.print("run the nights that need it again; readers of their releases are told", markup=False)


def erase(
    job: JobName,
    entity_id: Annotated[str, typer.Argument(metavar="ENTITY_ID", help="Id of the entity.")],
    who: Answerable,
    why: Why,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Erase an entity everywhere: deliveries, features, scores, quarantine, Redis.  Shows first what it would erase.

    Exits with 1 if something could not be searched, or is there after all.

    Example: `nightjar erase flight_delays UA1545-EWR-2013-04-03 --who "Jane Doe" --why "asked to be forgotten" --apply`
    """
    workspace, declared = open_job(job)
    with error_console.status("looking") as status:
        if apply:
            report = tasks.erase_entity(workspace, declared, entity_id, who=who, why=why, progress=status.update)
        else:
            report = tasks.find_entity(workspace, declared, entity_id)
    if as_json:
        print_json(report)
    else:
        title = "erased" if apply else "would be erased; add --apply to do it"
        print_table(f"{title} from {job}", ("what", "places", "rows"), tasks.count_found(report))
        _print_remarks(report)
    if report["unread"] or report.get("left"):
        raise typer.Exit(1)


def _print_remarks(report: dict[str, Any]) -> None:
    """What an erasure does not reach, and what a person must do about it."""
    for remark in report["not_touched"]:
        console.print(f"not touched: {remark}", markup=False, soft_wrap=True)
    for other in report["other_jobs"]:
        console.print(f"shares sources, so erase there too: {other}", markup=False, soft_wrap=True)
    for path in report["unread"]:
        console.print(f"✗ cannot be read, so it was not searched: {path}", style="red", markup=False, soft_wrap=True)
    for item in report.get("left", []):
        text = f"✗ written meanwhile by a run under way, erase again once it ended: {item['what']} {item['where']}"
        console.print(text, style="red", markup=False, soft_wrap=True)


def redeliveries(
    job: JobName,
    since: Annotated[
        str | None, typer.Option("--since", metavar="YYYY-MM-DD", help="Released partitions from this day on only.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List released partitions of which a delivery came again since, and the commands that run them again.

    Example: `nightjar redeliveries flight_delays --since 2013-04-01`
    """
    workspace, declared = open_job(job)
    affected = tasks.find_affected(workspace, declared, since)
    if as_json:
        print_json([item.to_json() for item in affected])
        return
    rows = [
        (item.partition, item.generation, one.source, one.partition, (one.used or "none")[:12], one.newest[:12])
        for item in affected
        for one in item.superseded
    ]
    if not rows:
        console.print("every release was made of the deliveries that are the newest now")
        return
    print_table(
        f"released partitions of {job} to run again",
        ("released", "generation", "source", "delivered again", "used", "newest"),
        rows,
    )
    for item in affected:
        console.print(item.command, markup=False, soft_wrap=True)


def retain(job: JobName, apply: Apply = False, as_json: AsJson = False) -> None:
    """Remove what no run, release, pin, model or coming night reaches.  Shows first what it would remove.

    Example: `nightjar retain flight_delays --apply`
    """
    workspace, declared = open_job(job)
    with error_console.status("looking for what nothing reaches"):
        removals = (tasks.apply_retention if apply else tasks.plan_retention)(workspace, declared)
    summary = tasks.summarise_retention(removals)
    if as_json:
        print_json({"applied": apply, "summary": summary, "removals": [item.to_json() for item in removals]})
        return
    title = f"removed from {job}" if apply else f"would be removed from {job}; add --apply to do it"
    columns = ("what", "count", "bytes", "oldest", "newest")
    print_table(title, columns, [[row[column] for column in columns] for row in summary])
