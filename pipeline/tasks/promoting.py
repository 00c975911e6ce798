"""Promotion: one event in the model ledger, so that it happens whole or not at all; MLflow follows."""

from __future__ import annotations

import logging
from datetime import date, timedelta

from pipeline.job import Job
from pipeline.stores.ledger import Ledger
from pipeline.stores.ledger_events import Event
from pipeline.tasks.runs import Summary, summarise_stage
from pipeline.tasks.workspace import Workspace

_LOG = logging.getLogger(__name__)


def promote(
    workspace: Workspace, job: Job, partition: str, run: str, proved: Summary, *, approved: Summary | None = None
) -> Summary:
    """Make the challenger champion from the next partition on, if the gate let it pass; then mirror to MLflow.

    Where the job asks for shadow nights, and there is a champion that it was compared with, it begins those instead.
    What the gate did not let pass is refused in the ledger.

    Args:
        approved: ``who`` approved it, and ``why``; without it nothing is promoted where the job asks for an approval.

    Returns:
        ``promoted``, ``shadowed``, ``why``, and the ``champion`` from ``holds_from`` on; None while there is none.

    Raises:
        RefusedError: another model has become champion since the comparison.
    """

    def work() -> Summary:
        ledger = workspace.ledger(job)
        version, holds_from = proved["model_version"], next_partition(partition)
        waits = proved["promote"] and job.training.approval is not None and approved is None
        who, why = run, proved["why"]
        if waits:
            why = f"it waits for a person: nightjar promote {job.name} {version} --why TEXT; {why}"
        elif approved is not None:
            who, why = approved["who"], f"{approved['why']}; {why}"
        event = None if waits else _write_down(ledger, job, proved, holds_from, who, why)
        kind = None if event is None or not proved["promote"] else event.kind
        if event is not None and kind == "shadowed":
            why = f"it scores along until {event.until} before it is settled; {why}"
        champion = ledger.champion(holds_from)
        _LOG.info(
            "model %s of %s was %spromoted (%s); champion from %s on is %s",
            version,
            job.name,
            "" if kind == "promoted" else "not ",
            why,
            holds_from,
            "no model" if champion is None else f"model {champion.version}",
        )
        return {
            "model_version": version,
            "promoted": kind == "promoted",
            "shadowed": kind == "shadowed",
            "why": why,
            "champion": None if champion is None else champion.version,
            "holds_from": holds_from,
            "mlflow_warning": workspace.experiments(job).mirror(ledger.events()),
        }

    return summarise_stage(job, partition, run, "promote", work)


def _write_down(ledger: Ledger, job: Job, proved: Summary, holds_from: str, who: str, why: str) -> Event | None:
    """What follows from the gate's verdict, as the ledger's event; None for a model that is champion already."""
    version, champion = proved["model_version"], proved["champion"]
    if not proved["promote"]:
        if champion == version:
            return None
        return ledger.refuse(version, holds_from=holds_from, who=who, why=why, champion=champion)
    if job.training.shadow_nights > 0 and proved["interval"] is not None:
        until = _add_days(holds_from, job.training.shadow_nights - 1)
        return ledger.shadow(version, holds_from=holds_from, until=until, who=who, why=why, expected_champion=champion)
    return ledger.promote(version, holds_from=holds_from, who=who, why=why, expected_champion=champion)


def find_cool_down(workspace: Workspace, job: Job, partition: str, run: str) -> str | None:
    """Why no event may start a training as of ``partition`` yet; None if it may.

    It is counted between the partitions that trainings knew, and not by the clock, which says nothing of past data.

    Args:
        run: the attempt that asks; what it has trained itself, before it was cleared, does not count.
    """
    known = [
        event.registration.partition
        for event in workspace.ledger(job).events()
        if event.registration is not None and event.who != run
    ]
    if not known or date.fromisoformat(partition) - date.fromisoformat(max(known)) >= job.training.cool_down:
        return None
    return (
        f"the last training knew the partitions up to {max(known)}, and the cool-down of {job.name} lasts "
        f"{job.training.cool_down.days} days"
    )


def next_partition(partition: str) -> str:
    """The partition after the one that the training knew: nights that ran before keep the champion they had."""
    return _add_days(partition, 1)


def _add_days(partition: str, days: int) -> str:
    return (date.fromisoformat(partition) + timedelta(days=days)).isoformat()
