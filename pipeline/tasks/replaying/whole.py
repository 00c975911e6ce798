"""A whole replay: days, fits, decisions, nights, grades."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any, TypeVar

from pipeline.job import Job
from pipeline.stores.ledger_events import ModelVersion
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.parallel import iterate_parallel
from pipeline.tasks.replaying.days import Replay, Tell, prepare_replay
from pipeline.tasks.replaying.deciding import Decision, fit_ahead, follow_policy, list_due
from pipeline.tasks.replaying.grading import Replayed, describe_replay
from pipeline.tasks.replaying.policies import Policy
from pipeline.tasks.replaying.serving import GradedNight, Identity, grade_models
from pipeline.tasks.replaying.watching import watch_policy
from pipeline.tasks.workspace import Workspace

Item = TypeVar("Item")
Result = TypeVar("Result")

Fit = tuple[int, date]
"""Partitions of the training window, and the night that the model is for."""
Wanted = tuple[date, dict[Identity, ModelVersion]]
"""A night, and the models that are to score it."""


def replay(
    workspace: Workspace,
    job: Job,
    first: date,
    last: date,
    policies: Sequence[Policy],
    tell: Tell = lambda phase, done, total: None,
    *,
    watch: str | None = None,
) -> dict[str, Any]:
    """What every policy would have done in the nights ``first`` to ``last``, as ``reports/replay.json`` has it.

    What was done before, by production or by a replay that was interrupted, is found.  Production's ledger is neither
    read nor written.

    Args:
        watch: name of one of the policies, whose nights are watched as production's are; ``watched`` has what was seen.

    Raises:
        BadInputError: the period cannot be replayed.
        NotReadyError: there is too little history for a first model.
    """
    with conceal_rows(job.name, f"{first} to {last}"):
        return _replay(workspace, job, first, last, policies, tell, watch)


def _replay(
    workspace: Workspace,
    job: Job,
    first: date,
    last: date,
    policies: Sequence[Policy],
    tell: Tell,
    watch: str | None,
) -> dict[str, Any]:
    start = time.perf_counter()
    replayed = prepare_replay(workspace, job, first, last, policies, tell)
    seconds = dict.fromkeys((policy.name for policy in policies), 0.0)
    _fit(workspace, replayed, policies, seconds, tell)
    decisions = _decide(workspace, replayed, policies, seconds, tell)
    nights = _serve(workspace, replayed, decisions, seconds, tell)
    described = describe_replay(
        replayed,
        [Replayed(policy, decisions[policy.name], round(seconds[policy.name], 1)) for policy in policies],
        nights,
        seconds=round(time.perf_counter() - start, 1),
    )
    if watch is None:
        return described
    return described | {"watched": watch_policy(replayed, watch, decisions[watch], tell)}


def _fit(
    workspace: Workspace, replayed: Replay, policies: Sequence[Policy], seconds: dict[str, float], tell: Tell
) -> None:
    """Fit every model of the calendar, those with most history first."""
    wanted: dict[Fit, list[str]] = {}
    for policy in policies:
        window = policy.adapt(replayed.job).training.window
        for night in list_due(replayed, policy):
            wanted.setdefault((window, night), []).append(policy.name)
    fits = sorted(wanted, key=lambda fit: (fit[1], fit[0]), reverse=True)
    adapted = {policy.adapt(replayed.job).training.window: policy.adapt(replayed.job) for policy in policies}

    def tell_of(fit: Fit, took: float, _: None) -> None:
        for name in wanted[fit]:
            seconds[name] += took

    _work_off(workspace, "train", partial(_fit_one, replayed, adapted), fits, tell_of, tell)


def _fit_one(replayed: Replay, adapted: dict[int, Job], fit: Fit) -> None:
    window, night = fit
    fit_ahead(replayed, adapted[window], night)


def _decide(
    workspace: Workspace, replayed: Replay, policies: Sequence[Policy], seconds: dict[str, float], tell: Tell
) -> dict[str, list[Decision]]:
    """The decisions of every policy.  Policies that look at their own nights take longest and begin first."""
    decisions: dict[str, list[Decision]] = {}

    def keep(policy: Policy, took: float, found: list[Decision]) -> None:
        decisions[policy.name] = found
        seconds[policy.name] += took

    ordered = sorted(policies, key=lambda policy: (policy.on_drop is None, -len(list_due(replayed, policy))))
    _work_off(workspace, "decide", partial(follow_policy, replayed), ordered, keep, tell)
    return decisions


def _serve(
    workspace: Workspace,
    replayed: Replay,
    decisions: dict[str, list[Decision]],
    seconds: dict[str, float],
    tell: Tell,
) -> dict[date, dict[Identity, GradedNight | None]]:
    """Every night, as each model that served it or was left out of the decision before it has scored it."""
    own = {night: {name: _list_models(made, night) for name, made in decisions.items()} for night in replayed.nights}
    wanted = [(night, {key: model for models in own[night].values() for key, model in models.items()}) for night in own]
    nights: dict[date, dict[Identity, GradedNight | None]] = {}

    def keep(item: Wanted, took: float, found: dict[Identity, GradedNight | None]) -> None:
        night, models = item
        nights[night] = found
        for name in decisions:
            seconds[name] += took * len(own[night][name]) / len(models)

    _work_off(workspace, "score", partial(_grade_one, replayed), wanted, keep, tell)
    return nights


def _list_models(decisions: Sequence[Decision], night: date) -> dict[Identity, ModelVersion]:
    """Who serves a night, and whom the newest decision left out."""
    newest = [decision for decision in decisions if decision.night <= night][-1]
    versions = (version for version in (newest.served, newest.left_out) if version is not None)
    return {version.registration.identity: version for version in versions}


def _grade_one(replayed: Replay, wanted: Wanted) -> dict[Identity, GradedNight | None]:
    return grade_models(replayed, *wanted)


def _work_off(
    workspace: Workspace,
    phase: str,
    work: Callable[[Item], Result],
    items: Sequence[Item],
    keep: Callable[[Item, float, Result], None],
    tell: Tell,
) -> None:
    """Do all items over all processes, and tell of each as it is done."""
    tell(phase, 0, len(items))
    numbered = list(enumerate(items))
    for done, (number, took, result) in enumerate(
        iterate_parallel(workspace.settings, partial(_time, work), numbered), start=1
    ):
        keep(items[number], took, result)
        tell(phase, done, len(items))


def _time(work: Callable[[Item], Result], numbered: list[tuple[int, Item]]) -> list[tuple[int, float, Result]]:
    results = []
    for number, item in numbered:
        start = time.perf_counter()
        result = work(item)
        results.append((number, time.perf_counter() - start, result))
    return results
