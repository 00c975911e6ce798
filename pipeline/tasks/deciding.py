"""What people see of a job's models, and what they decide: promote, demote and reject by hand, in the same ledger."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from pipeline.job import Job
from pipeline.stores.ledger_events import Event, ModelVersion, find_champion, find_standing
from pipeline.stores.predictions import Decision
from pipeline.tasks.partitions import parse_partition
from pipeline.tasks.promoting import next_partition
from pipeline.tasks.proving import count_compiled, prove_version
from pipeline.tasks.retraining import EVALUATE_STAGE, choose_own_verdicts
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace

_LOG = logging.getLogger(__name__)


def list_models(workspace: Workspace, job: Job) -> Summary:
    """Every version, what became of it last, and everything that ever happened to any of them.

    Returns:
        ``champion`` (of the newest partitions; None without one), ``versions`` and ``history`` (events, oldest first).
    """
    ledger = workspace.ledger(job)
    events = ledger.events()
    champion = find_champion(events)
    judged = _read_verdicts(workspace, job)
    return {
        "job": job.name,
        "champion": champion,
        "versions": [
            {
                **_describe_version(version, events, champion, judged.get(version.version, [])),
                "compiled": count_compiled(workspace, job, version),
            }
            for version in ledger.versions()
        ],
        "history": [event.model_dump(mode="json", exclude={"registration"}) for event in events],
    }


def promote_model(
    workspace: Workspace, job: Job, version: str, *, who: str, why: str, holds_from: str | None = None
) -> Summary:
    """Make a model champion because a person says so, even one that the gate refused or that was taken back.

    It has to prove that it loads, as every model has to.

    Args:
        holds_from: first partition that it scores; default: the one after the newest that was released.

    Returns:
        ``event``, ``objection`` (what speaks against it, in words; it is written into the event's ``why``; None if
        nothing does), ``previous`` champion, ``not_compiled`` (why scikit-learn will score in the place of compiled
        trees; None if it will not, or there are no trees) and ``mlflow_warning``.

    Raises:
        NotReadyError: there is no such version.
        BadInputError: nobody is named, no reason is given, or ``holds_from`` is not a date.
        RefusedError: the model does not load, or another one became champion meanwhile.
    """
    Decision.make(job.name, who, why, workspace.wall_clock())
    ledger = workspace.ledger(job)
    known = ledger.version(version)
    start = _choose_start(workspace, job, holds_from, known)
    previous = ledger.champion(start)
    objection = not_compiled = None
    if previous is None or previous.version != version:
        not_compiled = prove_version(workspace, job, known)["compiled"]["why_not"]
        objection = _find_objection(workspace, job, version, ledger.events())
    event = ledger.promote(
        version,
        holds_from=start,
        who=who,
        why=why if objection is None else f"{why} (although {objection})",
        expected_champion=None if previous is None else previous.version,
        again=True,
    )
    told = {"previous": _name(previous), "objection": objection, "not_compiled": not_compiled}
    return _tell(workspace, job, event) | told


def demote_model(
    workspace: Workspace, job: Job, version: str, *, who: str, why: str, holds_from: str | None = None
) -> Summary:
    """Take the champion back because a person says so; the one before it is champion again.

    Args:
        holds_from: first partition that it no longer scores; default: the one after the newest that was released.

    Returns:
        ``event``, ``previous`` champion, ``champion`` (who is now; None for nobody) and ``mlflow_warning``.

    Raises:
        BadInputError: nobody is named, no reason is given, or ``holds_from`` is not a date.
        RefusedError: it is not champion for that partition.
    """
    Decision.make(job.name, who, why, workspace.wall_clock())
    ledger = workspace.ledger(job)
    start = _choose_start(workspace, job, holds_from, None)
    previous = ledger.champion(start)
    event = ledger.demote(version, holds_from=start, who=who, why=why)
    return _tell(workspace, job, event) | {"previous": _name(previous), "champion": _name(ledger.champion(start))}


def reject_challenger(workspace: Workspace, job: Job, version: str, *, who: str, why: str) -> Summary:
    """Say that a model is no candidate any more because a person says so; its shadow nights end with that.

    Returns:
        ``event`` and ``mlflow_warning``.

    Raises:
        NotReadyError: there is no such version.
        BadInputError: nobody is named, or no reason is given.
        RefusedError: it is champion.
    """
    Decision.make(job.name, who, why, workspace.wall_clock())
    return _tell(workspace, job, workspace.ledger(job).reject(version, who=who, why=why))


def _name(version: ModelVersion | None) -> str | None:
    return None if version is None else version.version


def _tell(workspace: Workspace, job: Job, event: Event) -> Summary:
    _LOG.info("model %s of %s was %s by %s: %s", event.model_version, job.name, event.kind, event.who, event.why)
    return {
        "event": event.model_dump(mode="json", exclude={"registration"}),
        "mlflow_warning": workspace.experiments(job).mirror(workspace.ledger(job).events()),
    }


def _describe_version(
    version: ModelVersion, events: Sequence[Event], champion: str | None, verdicts: list[dict[str, Any]]
) -> Summary:
    last = find_standing(events, version.version)
    registration = version.registration
    return {
        "version": version.version,
        "champion": version.version == champion,
        "standing": last.kind,
        "holds_from": last.holds_from,
        "until": last.until,
        "partition": registration.partition,
        "trained_through": registration.trained_through,
        "metrics": registration.metrics,
        "who": last.who,
        "when": last.at,
        "why": last.why,
        "gate": verdicts,
    }


def _choose_start(workspace: Workspace, job: Job, asked: str | None, version: ModelVersion | None) -> str:
    """Nights that were released keep the champion that they had, unless a person names an earlier partition."""
    if asked is not None:
        return parse_partition(asked, job).isoformat()
    released = [event.partition for event in workspace.release_log(job).events()]
    promoted = [event.holds_from for event in workspace.ledger(job).events() if event.holds_from is not None]
    own = [] if version is None else [next_partition(version.registration.partition)]
    return max([*map(next_partition, released), *promoted, *own], default=job.first_partition.isoformat())


def _find_objection(workspace: Workspace, job: Job, version: str, events: Sequence[Event]) -> str | None:
    """What a task would not have promoted the model for."""
    last = find_standing(events, version)
    if last.kind == "refused":
        return f"the gate refused it: {last.why}"
    if last.kind in ("demoted", "rejected"):
        return f"it was {last.kind} by {last.who} at {last.at}: {last.why}"
    verdicts = _read_verdicts(workspace, job).get(version, [])
    return None if any(verdict["promote"] for verdict in verdicts) else "no verdict of the gate let it pass"


def _read_verdicts(workspace: Workspace, job: Job) -> dict[str, list[dict[str, Any]]]:
    """What the gate said of each version, by champion that it was compared with."""
    found: dict[str, list[dict[str, Any]]] = {}
    for judged in choose_own_verdicts(workspace, job, workspace.outputs(job).find_all(EVALUATE_STAGE)):
        verdict = {"champion": judged.inputs["champion"], **{name: judged.facts[name] for name in ("promote", "why")}}
        found.setdefault(judged.inputs["model_version"], []).append(verdict)
    return found
