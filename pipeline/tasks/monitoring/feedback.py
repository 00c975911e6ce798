"""Feedback: grade the served nights whose labels have closed, and those again whose labels were corrected since."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from functools import cache
from typing import Any

import pandas as pd

from pipeline.errors import BadInputError, NightjarError, NotReadyError
from pipeline.job import Job, import_attribute
from pipeline.monitoring import Graded, LabelDelivery
from pipeline.stages.evaluate import PRIMARY_METRIC
from pipeline.stages.monitor.concept import find_gap, judge_concept
from pipeline.stages.monitor.outcomes import judge_outcomes, measure_outcomes
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.grading import add_segments, list_published, match_labels, read_served
from pipeline.tasks.labelling import LABEL, find_label_sources, list_label_days
from pipeline.tasks.manifests import read_manifest
from pipeline.tasks.monitoring.alarming import judge_alarms, summarise_events
from pipeline.tasks.monitoring.followups import refresh_report
from pipeline.tasks.partitions import newest_closed_partition, parse_partition
from pipeline.tasks.runs import Summary, summarise_stage
from pipeline.tasks.validating import validate_delivery
from pipeline.tasks.workspace import Workspace

UP_TO_DATE = "graded before, with the labels that there are"
NOT_SERVED = "no release of it was served"
NOT_CLOSED = "its labels have not closed"
NOT_KEPT = "retention has removed what it was served from"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Due:
    """A night that is to be graded.

    Attributes:
        labels: the newest deliveries of its labels; one that is missing is not in it.
        before: its grading so far; None for the first.
    """

    partition: str
    generation: str
    labels: tuple[LabelDelivery, ...]
    before: Graded | None


def grade_closed(workspace: Workspace, job: Job, run: str, *, partition: str | None = None) -> Summary:
    """Grade every served night whose labels have closed, unless it was graded with the newest deliveries of them.

    Of nights that were graded before, the newest ``retention.nights`` are looked at again.  Nights further back than
    ``retention.monitoring`` are not looked at, since their records are removed.  Redis is not asked.

    Args:
        partition: look at this night alone, however old.

    Returns:
        ``graded``: facts of each night; ``skipped``: partitions by the reason why they were not; ``partition``: the
        newest day that any of the labels are of; ``raised``, ``resolved``, ``unjudged`` and ``ask`` (see
        :func:`summarise_events`), of an earlier attempt of the run as well.

    Raises:
        BadInputError: ``partition`` is not a date.
        NotReadyError: no partition of the job has closed.
        NightjarError: what a night was served from is damaged; every other night was graded before it is raised.
    """
    if partition is not None:
        parse_partition(partition, job)
    known_by = newest_closed_partition(job, workspace.clock())

    def work() -> Summary:
        published = list_published(workspace.release_log(job).events())
        first = _find_first(job, partition or max(published, default=known_by))
        known = {night.partition: night for night in workspace.monitoring(job).graded(first)}
        served = {night: generation for night, generation in published.items() if night >= first}
        due, skipped = _find_due(workspace, job, served, known, known_by, partition)
        done, broken = list[Graded](), list[NightjarError]()
        for night in due:
            try:
                with conceal_rows(job.name, night.partition):
                    done.append(_grade_night(workspace, job, night, known))
                    judge_alarms(workspace, job, night.partition, run)
            except (NotReadyError, BadInputError) as error:
                skipped.setdefault(error.problem, []).append(night.partition)
            except FileNotFoundError:
                skipped.setdefault(NOT_KEPT, []).append(night.partition)
            except NightjarError as error:
                broken.append(error)
        if known and (newest_known := max(known)) not in {night.partition for night in done}:
            # Whatever wrote it down may have broken off before it was judged.
            judge_alarms(workspace, job, newest_known, run)
        if broken:
            raise broken[0]
        newest = max((night.labels[-1].partition for night in done), default=known_by)
        graded = [_describe(job, night) for night in done]
        events = [event for event in workspace.monitoring(job).alarms.events() if event.run == run]
        return {
            "partition": newest,
            "graded": graded,
            "skipped": skipped,
            **summarise_events(events),
        }

    return summarise_stage(job, known_by, run, "grade", work)


def _find_first(job: Job, newest: str) -> str:
    """The oldest partition whose records are kept as long as ``newest`` is the newest: what is read does not grow."""
    return (date.fromisoformat(newest) - job.retention.monitoring).isoformat()


def _find_due(
    workspace: Workspace,
    job: Job,
    published: Mapping[str, str],
    known: Mapping[str, Graded],
    known_by: str,
    asked: str | None,
) -> tuple[list[Due], dict[str, list[str]]]:
    """What to grade of what was published, oldest first, and why not the night that was asked for."""

    @cache
    def find_newest(day: str) -> LabelDelivery | None:
        delivery = workspace.deliveries.newest(job.label.source, day)
        return None if delivery is None else LabelDelivery(partition=day, digest=delivery.digest)

    def find_labels(night: str) -> tuple[LabelDelivery, ...]:
        return tuple(label for day in list_label_days(job, night) if (label := find_newest(day)) is not None)

    again = set(sorted(published)[-job.retention.nights :]) | {asked}
    due, skipped = [], dict[str, list[str]]()
    for night in sorted(published) if asked is None else [asked]:
        before = known.get(night)
        if night not in published:
            skipped[NOT_SERVED] = [night]
        elif list_label_days(job, night)[-1] > known_by:
            if night == asked:
                skipped[NOT_CLOSED] = [night]
        elif before is None or before.generation != published[night]:
            due.append(Due(night, published[night], find_labels(night), before))
        elif night in again and before.labels != (labels := find_labels(night)):
            due.append(Due(night, published[night], labels, before))
        elif night == asked:
            skipped[UP_TO_DATE] = [night]
    return due, skipped


def _grade_night(workspace: Workspace, job: Job, due: Due, known: dict[str, Graded]) -> Graded:
    """Grade a night, write it down, and add it to what is known.

    Raises:
        NotReadyError: a delivery of its labels is missing, or no outcome is known.
        BadInputError: a delivery of its labels was refused.
        FileNotFoundError: retention has removed something.
        NightjarError: something is damaged.
    """
    manifest = read_manifest(workspace, job, due.generation)
    scored = read_served(workspace, job, manifest)
    sources = find_label_sources(workspace, job, due.partition, list_label_days(job, due.partition)[-1])
    matched = match_labels(workspace, job, scored, sources)
    if matched.empty:
        raise NotReadyError("no outcome is known", job=job.name, partition=due.partition)
    rows = add_segments(workspace, job, manifest, matched)
    past = [known[day] for day in sorted(known) if day < due.partition]
    night = grade_rows(
        job,
        rows,
        past,
        partition=due.partition,
        generation=due.generation,
        model_version=manifest["model"]["version"],
        model_digest=manifest["model"]["digest"],
        graded_at=workspace.clock().astimezone(UTC).isoformat(timespec="seconds"),
        scored=len(scored),
        estimated=_find_estimated(workspace, job, due),
        gradings=1 if due.before is None else due.before.gradings + 1,
        corrected=_count_corrected(workspace, job, due, scored, rows),
        labels=due.labels,
    )
    workspace.monitoring(job).write_graded(night)
    for warning in refresh_report(workspace, job, due.partition):
        _LOG.warning("%s: %s", due.partition, warning)
    known[due.partition] = night
    return night


def grade_rows(job: Job, rows: pd.DataFrame, past: Sequence[Graded], **named: Any) -> Graded:
    """The record of a night: what its predictions were worth.

    Args:
        rows: ``prediction``, ``label`` and the job's segment columns, of the rows whose outcome is known.
        past: the nights before it, oldest first.
        named: what else the record says.
    """
    cost = None if job.business_cost is None else import_attribute(job.business_cost)
    measured = measure_outcomes(job, rows[LABEL], rows["prediction"], rows[list(job.segments)], cost)
    night = Graded(
        **named,
        labelled=len(rows),
        metrics=measured.metrics,
        segments=measured.segments,
        calibration=measured.calibration,
        signals=(),
    )
    night = night.model_copy(update={"signals": judge_outcomes(job, night, past, measured.problem)})
    return night.model_copy(update={"signals": (*night.signals, judge_concept(job, night, past))})


def _find_estimated(workspace: Workspace, job: Job, due: Due) -> dict[str, float]:
    """What was estimated of this very release before its labels came."""
    observed = workspace.monitoring(job).find_observed(due.partition)
    if observed is None or observed.estimate is None or observed.generation != due.generation:
        return {}
    return observed.estimate.metrics


def _count_corrected(workspace: Workspace, job: Job, due: Due, scored: pd.DataFrame, rows: pd.DataFrame) -> int:
    """Entities whose outcome is another than at the grading before, those among them that had none, or have none now.

    Deliveries that were replaced are kept for ``retention.deliveries``; corrections of older ones cannot be counted.
    """
    if due.before is None or due.before.labels == due.labels:
        return 0
    source = job.source(job.label.source)
    try:
        used = [workspace.deliveries.get(source.name, label.partition, label.digest) for label in due.before.labels]
        earlier = match_labels(
            workspace, job, scored, [validate_delivery(workspace, job, source, delivery) for delivery in used]
        )
    except FileNotFoundError:
        _LOG.warning("%s: what its labels were before is not kept, so corrections are not counted", due.partition)
        return 0
    columns = [job.entity_id, LABEL]
    both = earlier[columns].merge(rows[columns], on=job.entity_id, how="outer", suffixes=("_before", "_now"))
    return int((both[f"{LABEL}_before"] != both[f"{LABEL}_now"]).sum())


def _describe(job: Job, night: Graded) -> dict[str, Any]:
    """A graded night in a few small values, for people and for the tasks that follow."""
    metric = PRIMARY_METRIC[job.task]
    facts = {
        name: getattr(night, name)
        for name in ("partition", "generation", "model_version", "scored", "labelled", "gradings", "corrected")
    }
    return facts | {
        "metric": metric,
        "realised": night.metrics.get(metric),
        "estimated": night.estimated.get(metric),
        "gap": find_gap(job, night),
        "breached": [signal.name for signal in night.signals if signal.breached],
        "muted": {signal.name: signal.muted for signal in night.signals if signal.muted is not None},
    }
