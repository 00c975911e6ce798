"""Explanations for people: why a prediction is what it is, and what moved the scores of a night."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from pipeline import tasks
from pipeline.cli.opening import open_job
from pipeline.cli.options import AsJson, JobName
from pipeline.cli.output import as_text, console, print_json, print_table
from pipeline.serving import Reasons

SHOWN_FEATURES = 15

_WHY_NONE = {
    "not_among_highest": "no reasons: only the highest predictions of a night are explained",
    "none_made": "no reasons: nothing of this generation was explained",
    "not_in_population": "no reasons: it is not in the population",
}


def add_commands(application: typer.Typer) -> None:
    """Add the command to the application."""
    application.command()(moved)


def moved(
    job: JobName,
    partition: Annotated[str, typer.Argument(metavar="YYYY-MM-DD", help="The night to look at.")],
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="YYYY-MM-DD", help="The night to compare with; default: ordinary ones of its weekday."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which features moved the scores of a night away from those of other nights.

    Example: `nightjar moved flight_delays 2013-07-08 --against 2013-07-01`
    """
    workspace, declared = open_job(job)
    for named in filter(None, (partition, against)):
        tasks.parse_partition(named, declared)
    found = tasks.explain_shift(workspace, declared, partition, against)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    shown = found.features[:SHOWN_FEATURES]
    rest = sum(change for _, change in found.features[SHOWN_FEATURES:])
    others = len(found.features) - len(shown)
    print_table(
        f"mean prediction of {job} {partition} and of {', '.join(found.against)}: {found.rows} rows each, "
        f"by model {found.model_version}",
        ("feature", "moved the mean by"),
        [
            ("(before)", f"{found.mean_before:.4f}"),
            *((feature, f"{change:+.4f}") for feature, change in shown),
            *([(f"({others} others)", f"{rest:+.4f}")] if others else []),
            ("(after)", f"{found.mean_after:.4f}"),
        ],
    )


def print_reasons(job: str, answers: Iterable[Reasons]) -> None:
    """What contributes to each prediction; of those without reasons, why there are none."""
    for answer in answers:
        entity_id, value = answer.prediction.entity_id, answer.prediction.value
        if answer.state in _WHY_NONE:
            console.print(as_text(f"{entity_id}: {_WHY_NONE[answer.state]}"), soft_wrap=True)
        else:
            rows = [(feature, f"{contribution:+}") for feature, contribution in answer.reasons]
            print_table(f"what {job} says {value} of {entity_id} for", ("feature", "contribution"), rows)
