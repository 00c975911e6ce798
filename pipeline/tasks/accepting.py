"""Accept a delivery: ingested, validated, judged, and found fit to work with, or answered for by a named person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.errors import BadInputError
from pipeline.job import Job, Source
from pipeline.stores.acceptances import Acceptance
from pipeline.stores.deliveries import Delivery
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.judging import check_judgement, find_judgement, judge_delivery
from pipeline.tasks.partitions import require_delivery
from pipeline.tasks.validating import check_rows, find_validated, validate_deliveries
from pipeline.tasks.workspace import Workspace


@dataclass(frozen=True)
class Validated:
    """A delivery after validation.

    Attributes:
        rows: output with valid and quarantined rows and their profile.
        judgement: output with the verdict on the batch; None for a source without a suite.
        acceptance: who took it as it is, where it would have been refused.
    """

    delivery: Delivery
    rows: Output
    judgement: Output | None
    acceptance: Acceptance | None = None


def validate_source(workspace: Workspace, job: Job, source: Source, partition: str) -> Validated:
    """The delivery that ``partition`` takes of ``source``, ingested, validated and accepted.

    What was done before is found and not done again, by whichever night or training did it.

    Raises:
        NotReadyError: there is no delivery.
        BadInputError: the delivery was refused; what it held is in the quarantine.
    """
    delivery = require_delivery(workspace, job, source, partition)
    name = (job.name, source.name, f"{delivery.digest}+{delivery.redaction}")
    validated = workspace.accepted.get(name)
    if validated is None:
        validated = check_accepted(workspace, job, source, examine_delivery(workspace, job, source, delivery))
        workspace.accepted[name] = validated
    return validated


def examine_delivery(
    workspace: Workspace, job: Job, source: Source, delivery: Delivery, *, force: bool = False
) -> Validated:
    """Ingest and validate a delivery and judge its batch, whatever the verdict.

    Raises:
        BadInputError: the delivery cannot be read as the contract's columns.
    """
    return examine_deliveries(workspace, job, {source.name: delivery}, force=force)[source.name]


def examine_deliveries(
    workspace: Workspace, job: Job, deliveries: Mapping[str, Delivery], *, force: bool = False
) -> dict[str, Validated]:
    """Like :func:`examine_delivery`, of several sources: the rows of all together, then their batches.

    So what judges batches is imported beside all rows.

    Args:
        deliveries: by name of their source.
    """
    divided = validate_deliveries(workspace, job, deliveries, force=force)
    return {
        name: Validated(
            deliveries[name],
            each.rows,
            judge_delivery(workspace, job, job.source(name), deliveries[name], each.rows, each.candidates, force=force),
        )
        for name, each in divided.items()
    }


def is_examined(workspace: Workspace, job: Job, source: Source, delivery: Delivery) -> bool:
    """Whether :func:`examine_delivery` would find everything done."""
    rows = find_validated(workspace, job, source, delivery)
    if rows is None:
        return False
    return source.suite is None or find_judgement(workspace, job, source, delivery, rows) is not None


def check_accepted(workspace: Workspace, job: Job, source: Source, validated: Validated) -> Validated:
    """Refuse what was examined if too many rows were, or if the batch broke its suite, and nobody answers for it.

    Returns:
        The same, with the acceptance that it owes its passing to, if it does.

    Raises:
        BadInputError: naming reasons and counts, never values.
    """
    problems = find_problems(job, source, validated)
    if not problems:
        return validated
    delivery = validated.delivery
    acceptance = workspace.acceptances(job).find(source.name, delivery.partition, delivery.digest)
    if acceptance is None:
        raise _offer_acceptance(problems[0], job, source, delivery) from problems[0]
    return replace(validated, acceptance=acceptance)


def find_problems(job: Job, source: Source, validated: Validated) -> list[BadInputError]:
    """Every reason to refuse what was examined: its rows, then its batch."""
    problems = []
    partition = validated.delivery.partition
    try:
        check_rows(job, source, partition, validated.rows)
    except BadInputError as error:
        problems.append(error)
    if validated.judgement is not None:
        try:
            check_judgement(job, source, partition, validated.judgement)
        except BadInputError as error:
            problems.append(error)
    return problems


def _offer_acceptance(error: BadInputError, job: Job, source: Source, delivery: Delivery) -> BadInputError:
    """The same refusal, which also tells that a person may take the delivery as it is."""
    return BadInputError(
        error.problem,
        job=error.job,
        partition=error.partition,
        expected=error.expected,
        found=error.found,
        next_step=f"{error.next_step}; or answer for it as it is: nightjar accept {job.name} {source.name} "
        f"--partition {delivery.partition} --delivery {delivery.digest[:12]} --who NAME --why TEXT",
    )
