"""The days of a replay: every delivery validated, every night's features built, once for all policies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from pipeline import __version__
from pipeline.digests import digest_code, digest_json
from pipeline.errors import BadInputError
from pipeline.job import Job, Role
from pipeline.settings import Settings
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.fitting import describe_fit
from pipeline.tasks.history import prepare_history
from pipeline.tasks.parallel import iterate_parallel, take_apart
from pipeline.tasks.partitions import find_delivery, newest_closed_partition
from pipeline.tasks.replaying.policies import Policy
from pipeline.tasks.retraining import describe_comparison
from pipeline.tasks.snapshots import describe_day, name_described
from pipeline.tasks.upstream import land_day, open_upstream
from pipeline.tasks.workspace import Branch, Workspace

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

CHUNK = 7
"""Days that a process prepares in one go: the days before them are read once for all."""

_DECIDING = (
    "pipeline.stages.sustained",
    "pipeline.stores.ledger",
    "pipeline.stores.ledger_events",
    "pipeline.tasks.challenging",
    "pipeline.tasks.labelling",
    "pipeline.tasks.promoting",
    "pipeline.tasks.retraining",
    "pipeline.tasks.scoring",
    "pipeline.tasks.snapshots",
    "pipeline.tasks.replaying.deciding",
    "pipeline.tasks.replaying.policies",
    "pipeline.tasks.replaying.serving",
)
"""Code that decisions depend on, beside that of fits and comparisons."""


@dataclass(frozen=True)
class Moment:
    """A clock that stands still."""

    now: datetime

    def __call__(self) -> datetime:
        """The moment."""
        return self.now


@dataclass(frozen=True)
class Replay:
    """What every process of a replay knows.

    Attributes:
        settings: of a process that starts no others, and knows no secret but the keys of models.
        first, last: the nights that are replayed.
        known_by: newest partition with deliveries to grade by.
        days: what :func:`describe_day` says, by partition; the same for every process and every training.
        name: digest of all that decisions depend on: the same replay finds what it has decided.
    """

    settings: Settings
    job: Job
    first: date
    last: date
    known_by: str
    days: Mapping[str, Mapping[str, Any]]
    name: str

    @property
    def nights(self) -> list[date]:
        """Every night, the oldest first."""
        return list_days(self.first, self.last)

    def branch(self, policy: str) -> Branch:
        """Where the models of a policy are."""
        return Branch(self.name, policy)

    def open(self, policy: str, moment: datetime) -> Workspace:
        """A workspace whose models are the policy's own, and whose clock shows ``moment``."""
        workspace = Workspace(self.settings, Moment(moment), branch=self.branch(policy))
        for day, described in self.days.items():
            name = name_described(self.job, closing_day(self.job, day), day)
            workspace.remember(name, partial(dict, described))
        return workspace


def list_days(first: date, last: date) -> list[date]:
    """Every day from ``first`` to ``last``."""
    return [first + timedelta(days=age) for age in range((last - first).days + 1)]


def closing_day(job: Job, night: str) -> str:
    """The partition with whose delivery the labels of ``night`` are complete."""
    return (date.fromisoformat(night) + timedelta(days=job.label.closes_after)).isoformat()


def prepare_replay(
    workspace: Workspace, job: Job, first: date, last: date, policies: Sequence[Policy], tell: Tell
) -> Replay:
    """Land what is missing of demo data, validate all that nights and trainings will read, and build features.

    What production or an earlier replay has done is found and not done again.

    Raises:
        BadInputError: the period is empty, or upstream does not cover it.
        NotReadyError: it has not closed.
    """
    known_by = newest_closed_partition(job, workspace.clock())
    _check_period(job, first, last, known_by)
    start = _find_start(job, first, policies)
    end = min(closing_day(job, last.isoformat()), known_by)
    days = list_days(start, date.fromisoformat(end))
    _land(workspace, job, days, tell)
    alone = Workspace(workspace.settings.for_workers(), workspace.clock)
    chunks = take_apart(workspace.settings, [days[at : at + CHUNK] for at in range(0, len(days), CHUNK)])
    _work_off(workspace, "validate", partial(_validate, alone, job), chunks, tell)
    built = _work_off(workspace, "build features", partial(_build, alone, job, end), chunks, tell)
    described = {entry["partition"]: entry for entry in sorted(built, key=lambda entry: entry["partition"])}
    return Replay(alone.settings, job, first, last, end, described, _name(job, first, described))


def _name(job: Job, first: date, described: Mapping[str, Any]) -> str:
    return digest_json(
        {
            "job": job.model_dump(mode="json", exclude={"owner", "monitoring"}),
            "first": first.isoformat(),
            "days": described,
            "feature_set": load_feature_set(job).digest,
            "fit": describe_fit(job),
            "comparison": describe_comparison(job),
            "code": digest_code(*_DECIDING),
            "version": __version__,
        }
    )[:16]


def _find_start(job: Job, first: date, policies: Sequence[Policy]) -> date:
    """The first day that a training or a trailing window reaches."""
    windows = [policy.adapt(job).training.window for policy in policies]
    feature_set = load_feature_set(job)
    reach = max((feature_set.longest_window(source.name) for source in job.sources), default=0)
    span = max(windows) + job.gap + job.training.holdout + job.label.closes_after + reach
    return max(job.first_partition, first - timedelta(days=span))


def _land(workspace: Workspace, job: Job, days: Sequence[date], tell: Tell) -> None:
    """Land what has no delivery of demo data; what upstream has delivered itself stays what nights take."""
    if job.upstream is None:
        return
    missing = {
        day: [source.name for source in job.sources if find_delivery(workspace, source, day.isoformat()) is None]
        for day in days
    }
    dimensions = {source.name for source in job.sources if source.role is Role.DIMENSION}
    if dimensions & set(missing[days[0]]):  # they were delivered before these days
        missing = {day: sorted(dimensions) for day in list_days(job.first_partition, days[0])} | missing
    wanted = [(day, names) for day, names in missing.items() if names]
    if not wanted:
        return
    upstream = open_upstream(job)
    for done, (day, names) in enumerate(wanted, start=1):
        land_day(workspace, upstream, day, names)
        tell("land", done, len(wanted))


def _work_off(
    workspace: Workspace,
    phase: str,
    work: Callable[[list[list[date]]], list[list[Any]]],
    chunks: Sequence[list[date]],
    tell: Tell,
) -> list[Any]:
    results: list[Any] = []
    for done, part in enumerate(iterate_parallel(workspace.settings, work, chunks), start=1):
        results += part
        tell(phase, done, len(chunks))
    return results


def _validate(workspace: Workspace, job: Job, chunks: list[list[date]]) -> list[list[None]]:
    for days in chunks:
        names = [source.name for source in job.sources if source.role is not Role.DIMENSION]
        prepare_history(workspace, job, [(name, day.isoformat()) for day in days for name in names])
    return [[] for _ in chunks]


def _build(workspace: Workspace, job: Job, known_by: str, chunks: list[list[date]]) -> list[list[dict[str, Any]]]:
    return [[describe_day(workspace, job, known_by, day.isoformat()) for day in days] for days in chunks]


def _check_period(job: Job, first: date, last: date, known_by: str) -> None:
    if last < first or first <= job.first_partition or last.isoformat() > known_by:
        raise BadInputError(
            "these nights cannot be replayed",
            job=job.name,
            expected=f"nights after {job.first_partition}, up to {known_by}, which is the newest that has closed",
            found=f"{first} to {last}",
            next_step="choose another period",
        )


def iterate_weeks(first: date, last: date) -> Iterator[list[date]]:
    """Seven days at a time; the last week may have fewer."""
    days = list_days(first, last)
    for at in range(0, len(days), 7):
        yield days[at : at + 7]
