"""A plausible year of a job: what monitoring, releases and models leave behind, written through the real stores.

Nothing is scored.  Numbers come from seeded generators: a week's rhythm, storms, promotions, a rollback and a backfill;
limits are those that :mod:`pipeline.stages.monitor.limits` learns from them.
"""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.job import Job
from pipeline.tasks import Workspace
from tests.monitoring_year.logs import publish, write_alarms, write_models, write_releases, write_run
from tests.monitoring_year.nights import Night, explain_move, grade, name_model_digest, observe, profile
from tests.monitoring_year.signals import GRADED, OBSERVED, draw_signal, is_storm

PROFILED = 35
"""How many of the newest nights have a profile."""


def write_year(
    workspace: Workspace,
    job: Job,
    *,
    last: str = "2013-12-30",
    nights: int = 365,
    category: str = "UA",
    serve: bool = True,
) -> list[str]:
    """Write ``nights`` nights up to ``last``; their partitions.

    Args:
        category: name of a category and a segment, for tests of names that mean something to a browser.
        serve: publish predictions of the last night, which needs a Redis.
    """
    end = date.fromisoformat(last)
    partitions = [(end - timedelta(days=back)).isoformat() for back in range(nights - 1, -1, -1)]
    generations = [f"{number + 1}-{number * 7919 % 65536:04x}" for number in range(nights)]
    if serve:
        generations[-1] = publish(workspace, job, last, nights)
    signals = {name: draw_signal(name, *numbers, nights=nights) for name, numbers in {**OBSERVED, **GRADED}.items()}
    records = workspace.monitoring(job)
    models = write_models(workspace, job, partitions)
    for place, partition in enumerate(partitions):
        version = max(version for version, since in models.items() if since <= partition)
        night = Night(place, partition, generations[place], version, category, is_storm(nights - 1 - place))
        records.write_observed(observe(night, [signals[name][place] for name in OBSERVED]))
        if place < nights - 2:
            records.write_graded(grade(night, [signals[name][place] for name in GRADED]))
        if any(signals[name][place].breached for name in OBSERVED if name.startswith(("inputs.", "outputs."))):
            moved = explain_move(night, partitions, signals["outputs.mean"])
            if moved is not None:
                records.write_moved(moved)
        if place >= nights - PROFILED:
            records.write_profile(partition, profile(night))
    for version in models:
        records.write_reference(
            name_model_digest(version), profile(Night(3, partitions[0], "0-0000", version, category))
        )
    write_alarms(workspace, job, partitions, generations, signals)
    write_releases(workspace, job, partitions, generations)
    write_run(workspace, job, last, generations[-1])
    return partitions
