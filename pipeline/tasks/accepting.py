"""Accept a delivery: ingested, validated, judged, and found fit to work with."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.job import Job, Source
from pipeline.stores.deliveries import Delivery
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.judging import check_judgement, check_rows, find_judgement, judge_delivery
from pipeline.tasks.partitions import require_delivery
from pipeline.tasks.validating import find_validated, validate_delivery
from pipeline.tasks.workspace import Workspace


@dataclass(frozen=True)
class Validated:
    """A delivery after validation.

    Attributes:
        rows: output with valid and quarantined rows and their profile.
        judgement: output with the verdict on the batch; None for a source without a suite.
    """

    delivery: Delivery
    rows: Output
    judgement: Output | None


def validate_source(workspace: Workspace, job: Job, source: Source, partition: str) -> Validated:
    """The delivery that ``partition`` takes of ``source``, ingested, validated and accepted.

    What was done before is found and not done again, by whichever night or training did it.

    Raises:
        NotReadyError: there is no delivery.
        BadInputError: the delivery was refused; what it held is in the quarantine.
    """
    delivery = require_delivery(workspace, job, source, partition)
    name = (job.name, source.name, delivery.digest)
    validated = workspace.accepted.get(name)
    if validated is None:
        validated = examine_delivery(workspace, job, source, delivery)
        check_accepted(job, source, validated)
        workspace.accepted[name] = validated
    return validated


def examine_delivery(
    workspace: Workspace, job: Job, source: Source, delivery: Delivery, *, force: bool = False
) -> Validated:
    """Ingest and validate a delivery and judge its batch, whatever the verdict.

    Raises:
        BadInputError: the delivery cannot be read as the contract's columns.
    """
    rows = validate_delivery(workspace, job, source, delivery, force=force)
    return Validated(delivery, rows, judge_delivery(workspace, job, source, delivery, rows, force=force))


def is_examined(workspace: Workspace, job: Job, source: Source, delivery: Delivery) -> bool:
    """Whether :func:`examine_delivery` would find everything done."""
    rows = find_validated(workspace, job, source, delivery)
    if rows is None:
        return False
    return source.suite is None or find_judgement(workspace, job, source, delivery, rows) is not None


def check_accepted(job: Job, source: Source, validated: Validated) -> None:
    """Refuse what was examined if too many rows were, or if the batch broke its suite.

    Raises:
        BadInputError: naming reasons and counts, never values.
    """
    check_rows(job, source, validated.delivery.partition, validated.rows)
    if validated.judgement is not None:
        check_judgement(job, source, validated.delivery.partition, validated.judgement)
