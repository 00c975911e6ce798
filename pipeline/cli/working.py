"""Commands that do a night's work: run, train, grade, upstream, land."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from pipeline import tasks
from pipeline.cli.night_report import name_stage, print_published, print_seen
from pipeline.cli.opening import open_job
from pipeline.cli.options import AsJson, JobName, Partition, Who
from pipeline.cli.output import console, error_console, print_facts, print_json, print_table
from pipeline.errors import BadInputError, NightjarError
from pipeline.job import Job


def add_commands(application: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (run, train, grade, upstream, land):
        application.command()(command)


def run(
    job: JobName,
    partition: Partition,
    force: Annotated[
        bool, typer.Option("--force", help="Compute every stage again; it must get the same bytes.")
    ] = False,
    basis: Annotated[
        str,
        typer.Option(help="as_corrected: today's deliveries and champion; as_known_then: those of that night."),
    ] = "as_corrected",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything up to the flip, then discard the load; nothing is kept.")
    ] = False,
    release_rejected: Annotated[
        bool, typer.Option("--release-rejected", help="Let inputs go live again that a rollback took back.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a night without Airflow: ingest, validate, build features, score, publish, through the release gate.

    Then the night is watched: what it was like is written down, and alarms are raised and resolved.  Where the job asks
    for shadow nights, the challengers that are on theirs score along after that.

    Example: `nightjar run flight_delays --partition 2013-04-01`
    """
    workspace, declared = open_job(job)
    day = tasks.resolve_partition(
        declared, asked=partition, data_interval_start=None, now=workspace.clock(), wait=False
    )
    name = name_run()
    stages = _run_stages(
        (workspace, declared, day, name),
        basis=tasks.parse_basis(basis, declared),
        force=force,
        dry_run=dry_run,
        release_rejected=release_rejected,
    )
    watched = None if dry_run else watch_release((workspace, declared, day, name), stages[-1])
    if declared.training.shadow_nights > 0:
        _score_shadows((workspace, declared, day, name), stages[-2], force=force)
    if as_json:
        print_json(tasks.read_run(workspace, declared, day, name))
        return
    _show_night(job, day, stages)
    if watched is not None:
        print_seen(watched)


def _run_stages(
    attempt: tuple[Any, Job, str, str], *, basis: Any, force: bool, dry_run: bool, release_rejected: bool
) -> list[dict[str, Any]]:
    """Every stage, each told what the one before it did; returns their summaries."""
    stages: dict[str, Callable[[Any], dict[str, Any]]] = {
        "ingest": lambda _: tasks.ingest(*attempt, basis=basis, force=force),
        "validate": lambda ingested: tasks.validate(*attempt, ingested, force=force),
        "build features": lambda validated: tasks.build_features(*attempt, validated, force=force),
        "score": lambda built: tasks.score(*attempt, built, force=force),
        "publish": lambda scored: tasks.publish(*attempt, scored, dry_run=dry_run, release_rejected=release_rejected),
    }
    summaries: list[dict[str, Any]] = []
    with Progress(console=error_console, transient=True) as progress:
        shown = progress.add_task("", total=len(stages))
        for stage, work in stages.items():
            progress.update(shown, description=stage)
            summaries.append(work(summaries[-1] if summaries else None))
            progress.advance(shown)
    return summaries


def watch_release(attempt: tuple[Any, Job, str, str], released: dict[str, Any]) -> dict[str, Any] | None:
    """Watch what was released; None, and a warning, if that went wrong: the release is none the worse."""
    try:
        return tasks.watch(*attempt, released)
    except (NightjarError, OSError) as error:
        warning = f"released, but what it is like is not known: {error}"
        error_console.print(warning, style="yellow", markup=False, soft_wrap=True)
        return None


def _score_shadows(attempt: tuple[Any, Job, str, str], scored: dict[str, Any], *, force: bool) -> None:
    """The night is published: what goes wrong with a shadow is a warning."""
    try:
        warnings = tasks.score_shadows(*attempt, scored, force=force)["warnings"]
    except (NightjarError, OSError) as error:
        warnings = [f"no shadow is known to have scored this night: {error}"]
    for warning in warnings:
        error_console.print(warning, style="yellow", markup=False, soft_wrap=True)


def _show_night(job: str, day: str, stages: list[dict[str, Any]]) -> None:
    print_table(
        f"{job} {day}",
        ("stage", "seconds", "rows"),
        [(name_stage(stage), f"{stage['seconds']:.2f}", stage["rows"]) for stage in stages],
    )
    published = stages[-1]
    print_published(published)
    generation = published["generation"]
    went = {
        "live": "is live",
        "kept": "is kept, readable by partition, and not live",
        "held": f"waits: {published['gate']['why']}; nightjar approve {job} {generation} --why TEXT",
        "dry_run": "was loaded, read back and discarded: a dry run",
    }[published["result"]]
    console.print(f"generation {generation} of model {published['model_version']} {went}", markup=False, soft_wrap=True)


def train(
    job: JobName,
    who: Who,
    partition: Annotated[
        str | None,
        typer.Option(
            "--partition", metavar="YYYY-MM-DD", help="Newest day that training may know; default: newest closed."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Retrain without Airflow: settle shadows, snapshot, train, evaluate, prove, promote if the gate lets it pass.

    Example: `nightjar train flight_delays --partition 2013-03-30`
    """
    workspace, declared = open_job(job)
    now = workspace.clock()
    asked = partition or tasks.newest_closed_partition(declared, now)
    day = tasks.resolve_partition(declared, asked=asked, data_interval_start=None, now=now, wait=False)
    name = f"{who}, {name_run()}"  # stands in the model ledger as who did it
    with error_console.status("settle shadows") as status:
        settled = tasks.settle_shadow(workspace, declared, day, name)
        status.update("snapshot")
        snapped = tasks.snapshot(workspace, declared, day, name)
        status.update("train")
        trained = tasks.train(workspace, declared, day, name, snapped)
        status.update("evaluate")
        evaluated = tasks.evaluate(workspace, declared, day, name, trained)
        status.update("card")
        evaluated = tasks.write_card(workspace, declared, day, trained, evaluated)
        status.update("prove")
        proved = tasks.prove(workspace, declared, day, name, evaluated)
        status.update("promote")
        promoted = tasks.promote(workspace, declared, day, name, proved)
    if as_json:
        print_json([settled, snapped, trained, evaluated, proved, promoted])
        return
    for shadow in settled["settled"]:
        done = "promoted" if shadow["promoted"] else "rejected"
        console.print(
            f"shadow model {shadow['model_version']} was {done}: {shadow['why']}", markup=False, soft_wrap=True
        )
    print_facts(
        f"model {trained['model_version']} of {job}",
        {
            "dataset version": snapped["dataset_version"],
            "trained on": f"{trained['rows']} rows of {snapped['train']['first']} to {snapped['train']['last']}",
            "compared on": f"{snapped['holdout']['first']} to {snapped['holdout']['last']}",
            **{name: f"{value:.6g}" for name, value in trained["metrics"].items()},
            "promoted": f"{'yes' if promoted['promoted'] else 'no'}: {promoted['why']}",
            "compiled": _describe_compiled(proved["compiled"]),
            "champion": f"{promoted['champion'] or 'none'} from {promoted['holds_from']}",
            "card": None if evaluated["card"] is None else workspace.lake.url(evaluated["card"]),
        },
    )
    for warning in filter(None, (evaluated["card_warning"], promoted["mlflow_warning"])):
        error_console.print(warning, style="yellow", markup=False)


def _describe_compiled(compiled: dict[str, Any] | None) -> str | None:
    """Nothing of a model that was not proved, or has no trees."""
    if compiled is not None and compiled["why_not"] is not None:
        return f"no, scikit-learn will score: {compiled['why_not']}"
    return f"{compiled['trees']} trees" if compiled is not None and compiled["trees"] else None


def grade(job: JobName, partition: Partition, as_json: AsJson = False) -> None:
    """Hold what was served for a partition against what then happened.

    Example: `nightjar grade flight_delays --partition 2013-04-01`
    """
    workspace, declared = open_job(job)
    graded = tasks.grade(workspace, declared, partition)
    if as_json:
        print_json(graded)
    else:
        print_facts(f"{job} {partition}", graded)


def upstream(
    job: JobName,
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First partition to land.")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last partition to land.")],
    as_json: AsJson = False,
) -> None:
    """Land the demo data of a job that brings its own upstream.  What has landed stays as it is.

    Example: `nightjar upstream flight_delays --from 2013-01-01 --to 2013-04-05`
    """
    workspace, declared = open_job(job)
    days = (tasks.parse_partition(first, declared), tasks.parse_partition(last, declared))
    with Progress(console=error_console, transient=True) as progress:
        shown = progress.add_task("landing")
        landed = tasks.land_upstream(
            workspace, declared, *days, lambda done, total: progress.update(shown, completed=done, total=total)
        )
    if as_json:
        print_json(landed)
    else:
        print_facts(f"upstream of {job}", landed)


def land(
    job: JobName,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Name of the source.")],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Parquet files, all of one delivery.", exists=True)
    ],
    partition: Partition,
    as_json: AsJson = False,
) -> None:
    """Land Parquet files as one delivery of a source.

    Example: `nightjar land flight_delays schedule schedule.parquet --partition 2013-04-01`
    """
    workspace, declared = open_job(job)
    day = tasks.parse_partition(partition, declared)
    tables = [_read_table(path, declared, partition) for path in files]
    delivery, is_new = workspace.deliveries.land(declared.source(source).name, day, tables, workspace.wall_clock())
    newest = workspace.deliveries.newest(source, day.isoformat())
    described = {**delivery.model_dump(mode="json"), "new": is_new, "newest": newest == delivery}
    if as_json:
        print_json(described)
    else:
        print_facts(f"delivery of {source}", {name: value for name, value in described.items() if name != "files"})
    if newest is not None and newest != delivery:
        error_console.print(
            f"this was landed before, and {newest.digest[:12]} came after it: runs take that one", style="yellow"
        )


def _read_table(path: Path, job: Job, partition: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - takes a third of a second
    import pyarrow.parquet as pq  # noqa: PLC0415 - likewise

    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(
            f"{path} cannot be read, so nothing was landed",
            job=job.name,
            partition=partition,
            expected="a whole Parquet file",
            # What Arrow says of a value quotes it.
            found=str(error) if isinstance(error, OSError) else type(error).__name__,
            next_step="write the file again, then land it",
        ) from error


def name_run() -> str:
    """A name for an attempt that is made on the command line."""
    return f"cli-{uuid.uuid4().hex[:12]}"
