"""Commands about which generations Redis keeps: prune, pin, unpin."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline import tasks
from pipeline.cli.opening import open_job
from pipeline.cli.options import Apply, AsJson, JobName, Who, Why
from pipeline.cli.output import console, print_json, print_table

GenerationName = Annotated[
    str, typer.Argument(metavar="GENERATION", help="Name of a generation, as `nightjar releases` shows it.")
]


def add_commands(application: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (prune, pin, unpin):
        application.command()(command)


def prune(job: JobName, apply: Apply = False, as_json: AsJson = False) -> None:
    """Remove generations that nobody needs any more, and what broken loads left behind.  Shows first what would go.

    Live, the one before, pinned ones, what is loading and the newest of the last seven partitions stay.

    Example: `nightjar prune flight_delays --apply`
    """
    store = open_job(job)[0].janitor
    generations = {generation.name: generation for generation in store.generations(job)}
    sizes = {name: store.measure(job, generations[name]) for name in store.prune(job, dry_run=True)}
    names = [name for name in store.prune(job) if name in sizes] if apply else list(sizes)
    removals = [
        {
            "generation": name,
            "state": generations[name].state.value,
            "partition": generations[name].partition,
            "keys": sizes[name].keys,
            "bytes": sizes[name].bytes,
        }
        for name in names
    ]
    total = sum(sizes[name].bytes for name in names)
    if as_json:
        print_json({"job": job, "applied": apply, "removals": removals, "bytes": total})
        return
    title = f"generations of {job} that " + ("were removed" if apply else "would be removed; add --apply to do it")
    rows = [(item["generation"], item["state"], item["partition"], *_format(item)) for item in removals]
    print_table(title, ("generation", "state", "partition", "keys", "bytes"), rows)
    console.print(f"in all: {total:,} bytes", markup=False)


def pin(job: JobName, generation: GenerationName, who: Who, why: Why, as_json: AsJson = False) -> None:
    """Keep a generation, whatever is pruned, until it is unpinned.

    Example: `nightjar pin flight_delays 42-9f3a --why "compare with the new model"`
    """
    tasks.pin_release(*open_job(job), generation, who=who, why=why)
    if as_json:
        print_json({"job": job, "generation": generation, "pinned": True, "who": who, "why": why})
    else:
        console.print(f"generation {generation} of {job} is pinned", markup=False)


def unpin(job: JobName, generation: GenerationName, who: Who, as_json: AsJson = False) -> None:
    """Let a pinned generation go with the others.

    Example: `nightjar unpin flight_delays 42-9f3a`
    """
    tasks.unpin_release(*open_job(job), generation, who=who)
    if as_json:
        print_json({"job": job, "generation": generation, "pinned": False, "who": who})
    else:
        console.print(f"generation {generation} of {job} is no longer pinned", markup=False)


def _format(item: dict[str, Any]) -> tuple[str, str]:
    return f"{item['keys']:,}", f"{item['bytes']:,}"
