"""Acceptances: a delivery that was refused, or never came, taken as it is by a person who answers for it.

The verdict is waived; rows that broke the contract stay in quarantine.  An acceptance is part of the pinned inputs of
every night that uses the delivery, by itself or in a trailing window, and readers of its release are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.errors import BadInputError, NotReadyError, RefusedError
from pipeline.job import Job, Source
from pipeline.stores.acceptances import Acceptance
from pipeline.stores.deliveries import Delivery
from pipeline.tasks.accepting import Validated, examine_delivery, find_problems
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.partitions import check_closed, find_delivery, parse_partition, require_delivery
from pipeline.tasks.workspace import Workspace


def accept_delivery(
    workspace: Workspace,
    job: Job,
    source_name: str,
    partition: str,
    *,
    who: str,
    why: str,
    delivery: str | None = None,
) -> tuple[Acceptance, bool]:
    """Take a refused delivery as it is.

    Args:
        delivery: digest of the delivery, or its beginning; the newest of the partition unless one is named.

    Returns:
        The acceptance that holds, and whether it is new: the first of a delivery stays.

    Raises:
        NotReadyError: there is no such delivery.
        RefusedError: it was not refused, or it cannot be worked with at all.
        BadInputError: name or reason are empty, too long or of several lines.
    """
    source = job.source(source_name)
    parse_partition(partition, job)
    found = _find_delivery(workspace, job, source, partition, delivery)
    try:
        validated = examine_delivery(workspace, job, source, found)
    except BadInputError as error:
        raise RefusedError(
            f"this delivery cannot be accepted, for it cannot be worked with: {error.problem}",
            job=job.name,
            partition=found.partition,
            expected=error.expected,
            found=error.found,
            next_step="ask upstream to land the partition again",
        ) from error
    problem = _describe_problems(job, source, validated)
    return _record(workspace, job, source, found.partition, found.digest, problem, who, why)


def accept_missing(
    workspace: Workspace, job: Job, source_name: str, partition: str, *, who: str, why: str
) -> tuple[Acceptance, bool]:
    """Let trailing windows be computed without a partition that was never delivered.

    Once it is delivered after all, it is used.

    Returns:
        The acceptance that holds, and whether it is new.

    Raises:
        NotReadyError: the partition is still open.
        RefusedError: it was delivered, or no trailing window looks at it.
        BadInputError: name or reason are empty, too long or of several lines.
    """
    source = job.source(source_name)
    day = parse_partition(partition, job)
    check_closed(job, day, workspace.clock())
    if load_feature_set(job).longest_window(source.name) < 2 or day < job.first_partition:
        raise RefusedError(
            "no trailing window reaches back to this partition, so nothing waits for it",
            job=job.name,
            partition=partition,
            expected=f"a source of trailing features, and a partition from {job.first_partition} on",
            found=f"{source.name} of {partition}",
            next_step="nothing; a night's own deliveries are always needed",
        )
    delivery = find_delivery(workspace, source, partition)
    if delivery is not None:
        raise RefusedError(
            f"{source.name} of this partition was delivered",
            job=job.name,
            partition=partition,
            expected="a partition that was never delivered",
            found=f"delivery {delivery.digest[:12]}",
            next_step=f"nightjar accept {job.name} {source.name} --partition {partition} --who NAME --why TEXT",
        )
    return _record(workspace, job, source, partition, None, "never delivered", who, why)


def caveats_of(acceptances: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What readers of a release are told of the acceptances behind it, as its manifest lists them."""
    return tuple(Acceptance.model_validate(acceptance).describe() for acceptance in acceptances)


def _find_delivery(workspace: Workspace, job: Job, source: Source, partition: str, digest: str | None) -> Delivery:
    if digest is None:
        return require_delivery(workspace, job, source, partition)
    landed = workspace.deliveries.all_of(source.name, partition)
    found = [delivery for delivery in landed if delivery.digest.startswith(digest)]
    if len(found) == 1:
        return found[0]
    raise NotReadyError(
        f"{len(found)} deliveries of {source.name} have this digest",
        job=job.name,
        partition=partition,
        expected="one of " + (", ".join(delivery.digest[:12] for delivery in landed) or "none: nothing was landed"),
        found=repr(digest[:64]),
        next_step="name one of them, or none for the newest",
    )


def _describe_problems(job: Job, source: Source, validated: Validated) -> str:
    problems = find_problems(job, source, validated)
    facts = validated.rows.facts
    if problems and source is job.population and facts["received"] == facts["quarantined"]:
        raise RefusedError(
            "this delivery cannot be accepted: no row of the population would be left to score",
            job=job.name,
            partition=validated.delivery.partition,
            expected="at least one row that keeps the contract",
            found=f"{facts['quarantined']} of {facts['received']} quarantined",
            next_step="ask upstream to land the partition again",
        )
    if not problems:
        raise RefusedError(
            "this delivery was not refused, so there is nothing to accept",
            job=job.name,
            partition=validated.delivery.partition,
            expected="a delivery that broke its contract or its suite",
            found=f"delivery {validated.delivery.digest[:12]} of {source.name}, which passed",
            next_step=f"nightjar run {job.name} --partition {validated.delivery.partition}",
        )
    return "; ".join(f"{error.problem}, found: {error.found}" for error in problems)


def _record(
    workspace: Workspace,
    job: Job,
    source: Source,
    partition: str,
    delivery: str | None,
    problem: str,
    who: str,
    why: str,
) -> tuple[Acceptance, bool]:
    try:
        acceptance = Acceptance(
            source=source.name,
            partition=partition,
            delivery=delivery,
            problem=problem,
            who=who,
            why=why,
            at=workspace.wall_clock(),
        )
    except ValidationError as error:
        wrong = ", ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        raise BadInputError(
            "an acceptance needs a name and a reason",
            job=job.name,
            partition=partition,
            expected="one line each: a name of up to 80 characters, a reason of up to 300",
            found=wrong,
            next_step="say who answers for it, and why",
        ) from error
    return workspace.acceptances(job).add(acceptance)
