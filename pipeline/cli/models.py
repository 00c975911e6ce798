"""Commands about models: models, promote, demote, reject, compile."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline import tasks
from pipeline.cli.opening import open_job
from pipeline.cli.options import AsJson, JobName, Who, Why
from pipeline.cli.output import console, error_console, print_json, print_table

Version = Annotated[str, typer.Argument(metavar="VERSION", help="A model, as `nightjar models` numbers them.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="YYYY-MM-DD",
        help="First partition that it holds for; default: the one after the newest that was released.",
    ),
]

_DECISION = ("who", "when", "why")


def add_commands(application: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (models, promote, demote, reject):
        application.command()(command)
    application.command("compile")(compile_trees)


def models(job: JobName, as_json: AsJson = False) -> None:
    """Show every model, which one is champion, and all that ever happened to them: who, when, why.

    Example: `nightjar models flight_delays`
    """
    listed = tasks.list_models(*open_job(job))
    if as_json:
        print_json(listed)
        return
    print_table(
        f"models of {job}",
        ("model", "standing", "holds from", "until", "knew", "trained through", "compiled", "metrics", *_DECISION),
        [_describe(version) for version in listed["versions"]],
    )
    print_table(
        "history",
        ("event", "model", "what", "champion", "holds from", "until", "who", "when", "why"),
        [_describe_event(event) for event in listed["history"]],
    )


def promote(
    job: JobName, version: Version, why: Why, who: Who, holds_from: From = None, as_json: AsJson = False
) -> None:
    """Make a model champion in the name of a person, even one that the gate refused; it must prove that it loads.

    Example: `nightjar promote flight_delays 3 --why "the drift is known" --from 2013-04-08`
    """
    done = tasks.promote_model(*open_job(job), version, who=who, why=why, holds_from=holds_from)
    if as_json:
        print_json(done)
        return
    event = done["event"]
    console.print(f"model {version} of {job} is champion from {event['holds_from']} on", markup=False)
    _warn(None if done["objection"] is None else f"promoted although {done['objection']}")
    _warn(None if done["not_compiled"] is None else f"scikit-learn will score it: {done['not_compiled']}")
    _warn(done["mlflow_warning"])


def demote(
    job: JobName, version: Version, why: Why, who: Who, holds_from: From = None, as_json: AsJson = False
) -> None:
    """Take the champion back in the name of a person; the one before it is champion again.

    Example: `nightjar demote flight_delays 3 --why "scores are off since Monday"`
    """
    done = tasks.demote_model(*open_job(job), version, who=who, why=why, holds_from=holds_from)
    if as_json:
        print_json(done)
        return
    champion = "no model" if done["champion"] is None else f"model {done['champion']}"
    console.print(f"{champion} of {job} is champion from {done['event']['holds_from']} on", markup=False)
    _warn(done["mlflow_warning"])


def reject(job: JobName, version: Version, why: Why, who: Who, as_json: AsJson = False) -> None:
    """Say in the name of a person that a challenger is no candidate any more; that ends its shadow nights too.

    Example: `nightjar reject flight_delays 4 --why "it learnt from the week of the strike"`
    """
    done = tasks.reject_challenger(*open_job(job), version, who=who, why=why)
    if as_json:
        print_json(done)
        return
    console.print(f"model {version} of {job} is no candidate any more", markup=False)
    _warn(done["mlflow_warning"])


def compile_trees(job: JobName, version: Version, as_json: AsJson = False) -> None:
    """Compile a model's trees anew, as when it was proved: after an upgrade, or where there was no C compiler before.

    Example: `nightjar compile flight_delays 3`
    """
    done = tasks.compile_trees(*open_job(job), version)
    if as_json:
        print_json(done)
        return
    console.print(
        f"{done['trees']} trees of model {version} of {job} are compiled: {done['rows']} rows get the very predictions "
        "of scikit-learn",
        markup=False,
        soft_wrap=True,
    )


def _describe(version: dict[str, Any]) -> tuple[Any, ...]:
    metrics = "\n".join(f"{name} {value:.5g}" for name, value in version["metrics"].items())
    facts = (version[name] for name in ("holds_from", "until", "partition", "trained_through"))
    standing = "champion" if version["champion"] else version["standing"]
    compiled = f"{version['compiled']} trees" if version["compiled"] else None
    return (
        version["version"],
        standing,
        compiled,
        *facts,
        metrics,
        *(version[name] for name in ("who", "when", "why")),
    )


def _describe_event(event: dict[str, Any]) -> tuple[Any, ...]:
    before, after = (event[name] or "none" for name in ("champion_before", "champion_after"))
    champion = None if event["holds_from"] is None else before if before == after else f"{before} → {after}"
    facts = (event[name] for name in ("holds_from", "until", "who", "at", "why"))
    return (event["number"], event["model_version"], event["kind"], champion, *facts)


def _warn(text: str | None) -> None:
    if text is not None:
        error_console.print(text, style="yellow", markup=False, soft_wrap=True)
