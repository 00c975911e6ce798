"""Commands that look: get, status, releases, runs, quarantine, jobs, doctor."""

from __future__ import annotations

import importlib.metadata
import math
import platform
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import tasks
from pipeline.alerts.quantities import describe_age
from pipeline.cli.explanations import print_reasons
from pipeline.cli.night_report import name_stage, print_caveats, print_published, print_seen
from pipeline.cli.options import AsJson, JobName
from pipeline.cli.output import as_text, console, print_facts, print_json, print_table
from pipeline.jobs import load_job, load_jobs
from pipeline.serving import Reader
from pipeline.settings import Settings

SHOWN_ROWS = 20
SHOWN_LIBRARIES = ("apache-airflow", "pandas", "pandera", "great-expectations", "scikit-learn", "redis", "mlflow")


def add_commands(application: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (get, status, releases, runs, quarantine, jobs, doctor):
        application.command()(command)


def get(
    job: JobName,
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Entity ids.")],
    partition: Annotated[
        str | None,
        typer.Option("--partition", metavar="YYYY-MM-DD", help="Read this partition instead of what is live."),
    ] = None,
    segment: Annotated[
        str | None,
        typer.Option("--segment", metavar="SEGMENT", help="Whose prior holds for ids that are not in the population."),
    ] = None,
    reasons: Annotated[
        bool, typer.Option("--reasons", help="And why: the features that contribute most to the highest predictions.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read predictions by entity id, as an application would.  Exits with 1 if one of them has no value.

    Example: `nightjar get flight_delays UA1545-EWR-2013-04-03 --segment UA`
    """
    segments = None if segment is None else dict.fromkeys(ids, segment)
    reader = _open_reader(job)
    explained = reader.reasons_many(ids, segments=segments, partition=partition) if reasons else {}
    answers = {name: answer.prediction for name, answer in explained.items()}
    if not reasons:
        answers = reader.get_many(ids, segments=segments, partition=partition)
    if as_json:
        print_json([answer.to_json() for answer in (explained or answers).values()])
    else:
        print_table(
            f"predictions of {job}",
            ("entity id", "value", "source", "model", "partition", "generation", "age"),
            [
                (
                    answer.entity_id,
                    answer.value,
                    answer.source,
                    answer.model_version,
                    answer.partition,
                    answer.generation,
                    describe_age(answer.age.total_seconds()),
                )
                for answer in answers.values()
            ],
        )
        print_caveats(sorted({caveat for answer in answers.values() for caveat in answer.caveats}))
        print_reasons(job, explained.values())
    if not all(answer.found for answer in answers.values()):
        raise typer.Exit(1)


def status(job: JobName, as_json: AsJson = False) -> None:
    """Show what is live: generation, partition, model, rows and age.

    Example: `nightjar status flight_delays --json`
    """
    live = _open_reader(job).status()
    facts = live.to_json()
    if as_json:
        print_json(facts)
        return
    age = describe_age(live.age.total_seconds())
    states = ", ".join(f"{count} {state}" for state, count in live.states.items())
    stale = " (stale: older than the job allows)" if live.stale else ""
    print_facts(f"live of {job}", {**facts, "age": f"{age}{stale}", "states": states})


def releases(job: JobName, as_json: AsJson = False) -> None:
    """List the generations that Redis keeps, newest first, and who has pinned which.

    Example: `nightjar releases flight_delays`
    """
    found = _open_reader(job).releases()
    if as_json:
        print_json([release.to_json() for release in found])
        return
    rows = []
    for release in found:
        header = release.header
        facts = (header.partition, header.model_version, header.rows, header.published_at) if header else (None,) * 4
        pin = f"{release.pin['who']}: {release.pin['why']}" if release.pin else None
        rows.append((release.generation, release.state, *facts, pin))
    print_table(
        f"releases of {job}", ("generation", "state", "partition", "model", "rows", "published", "pinned"), rows
    )


def runs(
    job: JobName,
    partition: Annotated[str, typer.Option("--partition", metavar="YYYY-MM-DD", help="Partition of the run.")],
    as_json: AsJson = False,
) -> None:
    """Show what the newest run of a partition did, stage by stage.

    Example: `nightjar runs flight_delays --partition 2013-04-01`
    """
    settings = Settings.from_environment()
    found = tasks.read_run(tasks.open_workspace(settings), load_job(settings, job), partition)
    if as_json:
        print_json(found)
        return
    print_table(
        f"{job} {partition}, run {found['run']}",
        ("stage", "state", "seconds", "rows", "peak MiB"),
        [
            (name_stage(item), item["state"], f"{item['seconds']:.2f}", item.get("rows"), item["peak_memory_mib"])
            for item in found["stages"]
        ],
    )
    for item in found["stages"]:
        quarantined = {name: counts for name, counts in item.get("sources", {}).items() if isinstance(counts, dict)}
        reasons = [
            (name, reason, rows) for name, counts in quarantined.items() for reason, rows in counts["reasons"].items()
        ]
        if reasons:
            print_table("quarantined", ("source", "reason", "rows"), reasons)
        for warning in item.get("warnings", []):
            console.print(as_text(f"warning: {warning}", style="yellow"), soft_wrap=True)
        for drift in item.get("drifts", []):
            console.print(as_text(f"drift: {drift}"), soft_wrap=True)
        if "error" in item:
            # The differences of columns are in what was found, as a table.
            error = {name: part for name, part in item["error"].items() if name != "differences"}
            print_facts(f"error of {item['stage']}", error)
        if "accounting" in item:
            print_published(item)
        if "watched" in item:
            print_seen(item)


def quarantine(
    job: JobName,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Name of the source.")],
    partition: Annotated[str, typer.Option("--partition", metavar="YYYY-MM-DD", help="Partition of the delivery.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write all rows to this Parquet file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the rows of a source that its contract refused, with every reason.

    Example: `nightjar quarantine flight_delays weather --partition 2013-02-12`
    """
    settings = Settings.from_environment()
    refused = tasks.read_quarantine(tasks.open_workspace(settings), load_job(settings, job), source, partition)
    if out is not None:
        import pyarrow.parquet as pq  # noqa: PLC0415 - only where a file is wanted

        pq.write_table(refused, out)
    shown = refused.slice(0, SHOWN_ROWS)
    if as_json:
        print_json({"rows": refused.num_rows, "shown": [_to_plain(row) for row in shown.to_pylist()]})
        return
    reasons = [
        (row.pop("_row"), "; ".join(row.pop("reasons")), ", ".join(f"{name}={value}" for name, value in row.items()))
        for row in shown.to_pylist()
    ]
    print_table(f"{refused.num_rows} rows of {source} {partition} refused", ("row", "reasons", "values"), reasons)


def _to_plain(row: dict[str, Any]) -> dict[str, Any]:
    """Values as JSON has them; what it does not know as text."""
    return {name: value if _is_plain(value) else str(value) for name, value in row.items()}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | list | None) or (isinstance(value, float) and math.isfinite(value))


def jobs(as_json: AsJson = False) -> None:
    """List the declared jobs.

    Example: `nightjar jobs`
    """
    declared = load_jobs(Settings.from_environment())
    if as_json:
        print_json([job.model_dump(mode="json") for job in declared])
    else:
        print_table(
            "jobs",
            ("job", "task", "owner", "question"),
            [(job.name, job.task, job.owner.email, job.description) for job in declared],
        )


def doctor(as_json: AsJson = False) -> None:
    """Check settings, lake, Redis and every job's declaration.  Exits with 1 if something must be mended.

    Example: `nightjar doctor`
    """
    report = tasks.check_health(tasks.open_workspace(Settings.from_environment()))
    report["versions"] = {name: importlib.metadata.version(name) for name in SHOWN_LIBRARIES}
    report["versions"]["python"] = platform.python_version()
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if report["problems"]:
        raise typer.Exit(1)


def _print_report(report: dict[str, Any]) -> None:
    for title in ("settings", "lake", "redis", "jobs", "versions"):
        print_facts(title, {name: value for name, value in report[title].items() if name != "problems"})
    for problem in report["problems"]:
        console.print(f"✗ {problem}", style="red", markup=False)
    if not report["problems"]:
        console.print("✓ nothing to mend", style="green")


def _open_reader(job: str) -> Reader:
    settings = Settings.from_environment()
    return Reader(settings.url_for_reading, load_job(settings, job).name, clock=tasks.open_workspace(settings).clock)
