"""Decide: retrain as a policy says, night after night, through the stages and the gate of production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.errors import BadInputError, NotReadyError
from pipeline.job import Job
from pipeline.stages.evaluate import PRIMARY_METRIC
from pipeline.stages.sustained import is_dropped
from pipeline.stores.ledger_events import ModelVersion
from pipeline.tasks.challenging import measure_dataset
from pipeline.tasks.fitting import fit_challenger, measure_scores
from pipeline.tasks.promoting import promote
from pipeline.tasks.replaying.days import Replay
from pipeline.tasks.replaying.policies import Policy
from pipeline.tasks.replaying.serving import grade_night
from pipeline.tasks.retraining import evaluate, snapshot, train
from pipeline.tasks.runs import Summary
from pipeline.tasks.snapshots import take_snapshot
from pipeline.tasks.workspace import Workspace

Attempt = tuple[Workspace, Job, str, str]
RUN = "replay"
SHARED = "shared"
"""Stands for no policy: nothing is promoted there."""


@dataclass(frozen=True)
class Decision:
    """What came of one retraining.

    Attributes:
        night: the first that it counts for.
        champion: who served until then; None before the first model.
        challenger: None if the training failed.
        passed: what the gate said.
        promoted: what was done.
        why: in words.
    """

    night: date
    champion: ModelVersion | None
    challenger: ModelVersion | None
    passed: bool
    promoted: bool
    why: str

    @property
    def served(self) -> ModelVersion | None:
        """Who serves from then on."""
        return self.challenger if self.promoted else self.champion

    @property
    def left_out(self) -> ModelVersion | None:
        """The other of the two; None if there was no choice."""
        if self.challenger is None or self.champion is None:
            return None
        if self.challenger.registration.identity == self.champion.registration.identity:
            return None
        return self.champion if self.promoted else self.challenger


def list_due(replay: Replay, policy: Policy) -> list[date]:
    """Nights from which the models of the calendar serve, the first model's among them."""
    return [night for night in replay.nights if night == replay.first or policy.is_due(night, replay.first)]


def fit_ahead(replay: Replay, job: Job, night: date) -> None:
    """Fit what a policy will ask for: who was champion matters to the comparison alone.

    A training that fails is passed over: it fails again when the policy comes to it, which knows what that means.
    """
    partition = _day_before(night)
    workspace = replay.open(SHARED, job.cutoff(partition))
    try:
        dataset = take_snapshot(workspace, job, partition.isoformat())
        fit_challenger(workspace, job, dataset)
        measure_dataset(workspace, job, dataset)
    except (BadInputError, NotReadyError):
        return


def follow_policy(replay: Replay, policy: Policy) -> list[Decision]:
    """Every decision of the period.

    Raises:
        NightjarError: there is no first model.
    """
    decisions: list[Decision] = []
    metrics: list[float] = []
    for night in replay.nights:
        if policy.on_drop is not None:
            metrics += _grade_newest(replay, decisions, night)
        if (
            not decisions
            or policy.is_due(night, replay.first)
            or _has_dropped(replay, policy, decisions, metrics, night)
        ):
            decisions.append(_decide(replay, policy, night, is_first=not decisions))
    return decisions


def find_served(decisions: Sequence[Decision], night: date) -> ModelVersion | None:
    """Who serves ``night``."""
    return next((decision.served for decision in reversed(decisions) if decision.night <= night), None)


def _has_dropped(
    replay: Replay, policy: Policy, decisions: Sequence[Decision], metrics: Sequence[float], night: date
) -> bool:
    if policy.on_drop is None:
        return False
    trained = max(decision.night for decision in decisions if decision.challenger is not None)
    if night - trained < replay.job.training.cool_down:
        return False
    return is_dropped(metrics, policy.on_drop)


def _grade_newest(replay: Replay, decisions: Sequence[Decision], night: date) -> list[float]:
    """The metric of the night whose labels have closed by the day before ``night``; none if there is no such night."""
    graded = _day_before(night) - timedelta(days=replay.job.label.closes_after)
    served = find_served(decisions, graded) if graded >= replay.first else None
    if served is None:
        return []
    rows = grade_night(replay, served, graded)
    if rows is None:
        return []
    try:
        return [measure_scores(replay.job, rows.labels, rows.scores)[PRIMARY_METRIC[replay.job.task]]]
    except BadInputError:  # one outcome only, which says nothing
        return []


def _decide(replay: Replay, policy: Policy, night: date, *, is_first: bool) -> Decision:
    job, day = policy.adapt(replay.job), _day_before(night)
    workspace = replay.open(policy.name, job.cutoff(day))
    evaluated = _recall(replay, workspace, job, policy, day.isoformat())
    problem = evaluated.get("failed") or (None if evaluated["promote"] else evaluated["why"])
    if is_first and problem is not None:
        raise NotReadyError(
            "there is no first model to replay with",
            job=job.name,
            partition=day.isoformat(),
            expected="a training that succeeds on what was known then, and a model that the gate lets pass",
            found=problem,
            next_step="begin the period later, or mend what the training stumbled over",
        )
    if "failed" in evaluated:
        champion = workspace.ledger(job).champion(night.isoformat())
        return Decision(night, champion, None, passed=False, promoted=False, why=evaluated["failed"])
    promoted = promote(workspace, job, day.isoformat(), RUN, evaluated)
    ledger = workspace.ledger(job)
    return Decision(
        night,
        None if evaluated["champion"] is None else ledger.version(evaluated["champion"]),
        ledger.version(evaluated["model_version"]),
        passed=evaluated["passed"],
        promoted=promoted["promoted"],
        why=evaluated["why"],
    )


def _recall(replay: Replay, workspace: Workspace, job: Job, policy: Policy, partition: str) -> Summary:
    """What was found when this was first decided: it is written down before it is acted upon.

    The model is made again where its file was lost, or is not signed by a key of today.
    """
    path = f"jobs/{job.name}/{replay.branch(policy.name).folder}/decisions/{partition}.json"
    attempt = (workspace, job, partition, RUN)
    try:
        trained = train(*attempt, snapshot(*attempt))
        if not workspace.lake.exists(path):
            workspace.lake.put_json_if_absent(path, _compare(attempt, policy, trained))
    except (BadInputError, NotReadyError) as error:
        return {"failed": f"{error.problem}, found: {error.found}"}
    recalled: Summary = workspace.lake.read_json(path)
    return recalled


def _compare(attempt: Attempt, policy: Policy, trained: Summary) -> Summary:
    evaluated = evaluate(*attempt, trained)
    evaluated["passed"] = evaluated["promote"]
    if not policy.gate and evaluated["champion"] != evaluated["model_version"]:
        evaluated["promote"] = True
    return evaluated


def _day_before(night: date) -> date:
    return night - timedelta(days=1)
