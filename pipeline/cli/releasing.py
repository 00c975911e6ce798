"""Commands about releases: explain, diff, approve, rollback, republish."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import tasks
from pipeline.cli.opening import open_job
from pipeline.cli.options import AsJson, JobName, Who, Why
from pipeline.cli.output import console, print_facts, print_json, print_table
from pipeline.cli.release_report import print_difference, print_explanation
from pipeline.cli.working import name_run, watch_release

Generation = Annotated[str, typer.Argument(metavar="GENERATION", help="A release, such as 42-9f3a.")]


def add_commands(application: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (explain, diff, approve, rollback, republish):
        application.command()(command)


def explain(job: JobName, generation: Generation, as_json: AsJson = False) -> None:
    """Show what a release was made from and what became of it: its manifest, from the lake alone.

    Example: `nightjar explain flight_delays 42-9f3a`
    """
    explained = tasks.explain_release(*open_job(job), generation)
    if as_json:
        print_json(explained)
    else:
        print_explanation(explained["manifest"], explained["history"])


def diff(
    job: JobName,
    first: Annotated[str, typer.Argument(metavar="G1", help="The earlier release.")],
    second: Annotated[str, typer.Argument(metavar="G2", help="The later release.")],
    as_json: AsJson = False,
) -> None:
    """Compare two releases: entities, scores by segment, and what the change came from: model, data or features.

    Example: `nightjar diff flight_delays 41-07c2 42-9f3a`
    """
    difference = tasks.diff_releases(*open_job(job), first, second)
    if as_json:
        print_json(difference)
    else:
        print_difference(difference)


def approve(
    job: JobName,
    generation: Generation,
    why: Why,
    who: Who,
    reject: Annotated[bool, typer.Option("--reject", help="Turn it down instead.")] = False,
    release_rejected: Annotated[
        bool, typer.Option("--release-rejected", help="Even if a rollback took its inputs back.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make live what the release gate held back or blocked, in the name of a person; or turn it down.

    What was made live is watched, as after any night.

    Example: `nightjar approve flight_delays 42-9f3a --who "Jane Doe" --why "a storm, not a fault"`
    """
    if reject:
        done = tasks.decline_release(*open_job(job), generation, who=who, why=why)
    else:
        workspace, declared = open_job(job)
        done = tasks.approve_release(
            workspace, declared, generation, who=who, why=why, release_rejected=release_rejected
        )
        watch_release((workspace, declared, done["partition"], name_run()), done)
    if as_json:
        print_json(done)
        return
    went = {"live": "is live", "kept": "is kept beside a newer live partition"}.get(done["result"], "was turned down")
    console.print(f"generation {generation} {went}", markup=False)


def rollback(
    job: JobName,
    why: Why,
    who: Who,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="GENERATION", help="Generation to return to; default: live before the live one."),
    ] = None,
    with_model: Annotated[
        bool, typer.Option("--with-model", help="Demote the models that made what is rolled back, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an earlier generation live again; what came after it is rejected by the digest of its inputs.

    Example: `nightjar rollback flight_delays --why "scores are off since Monday"`
    """
    workspace, declared = open_job(job)
    target = tasks.choose_rollback(workspace, declared, to=to, with_model=with_model)
    done = tasks.roll_back(workspace, declared, target, with_model=with_model, who=who, why=why)
    if as_json:
        print_json(done)
        return
    lists = {name: ", ".join(done[name]) or None for name in ("rejected", "demoted")}
    print_facts(f"rolled {job} back", {**done, **lists})


def republish(job: JobName, who: Who, as_json: AsJson = False) -> None:
    """Fill a Redis that lost everything from the lake, byte by byte as it was, without scoring again.

    Example: `nightjar republish flight_delays`
    """
    done = tasks.republish(*open_job(job), who=who)
    if as_json:
        print_json(done)
        return
    print_table(f"generations of {job}", ("generation", "result"), done["generations"].items())
    print_facts("served", {name: done[name] for name in ("live", "partition", "rows", "rejected")})
    for generation in done["pins_lost"]:
        text = f"the pin of {generation} is lost: the lake has not kept its scores"
        console.print(text, style="yellow", markup=False, soft_wrap=True)
