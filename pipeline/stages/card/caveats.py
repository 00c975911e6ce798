"""Caveats: what a model does not know, as its job's declaration and its holdout tell it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.job import Job
from pipeline.stages.evaluate.bootstrap import FEWEST_CLUSTERS


def list_caveats(
    job: Job, data: Mapping[str, Any], metrics: Mapping[str, float], segments: Sequence[Mapping[str, Any]]
) -> list[str]:
    """One sentence each, without values of rows.

    Args:
        data: the card's own: ``trained``, ``holdout`` and ``left_out``.
        metrics: of the model on the holdout.
        segments: as :func:`measure_segments` has them.
    """
    return [
        *_tell_of_time(job, data),
        *_tell_of_calibration(job, metrics),
        *_tell_of_segments(job, segments),
        *_tell_of_reach(job),
    ]


def _tell_of_time(job: Job, data: Mapping[str, Any]) -> Iterator[str]:
    trained, holdout = data["trained"], data["holdout"]
    delay = job.label.closes_after
    yield (
        f"Outcomes are known {_count(delay, 'day')} after the partition: the model has learnt from nothing after "
        f"{trained['last']}, and nobody has measured it on anything after {holdout['last']}."
    )
    yield (
        f"It was measured on {_count(holdout['partitions'], 'partition')}, {holdout['first']} to {holdout['last']}: "
        "seasons, holidays and events outside of them are not in any number here."
    )
    if holdout["partitions"] < FEWEST_CLUSTERS:
        yield (
            f"The intervals come from rows, because {_count(holdout['partitions'], 'partition')} are too few to draw "
            "among; what differs from day to day makes the truth less sure than they say."
        )
    if data["left_out"]:
        yield f"{_count(len(data['left_out']), 'partition')} could not be used; they are listed with the data."
    if job.training.max_rows is not None and trained["rows"] >= job.training.max_rows:
        yield f"It was trained on a sample of {trained['rows']} rows, chosen by a digest of their ids."


def _tell_of_calibration(job: Job, metrics: Mapping[str, float]) -> Iterator[str]:
    error = metrics["calibration_error"]
    limit = job.training.gate.max_calibration_error
    held = "the job sets no limit to that" if limit is None else f"the job's limit is {limit:g}"
    what = "predicted and observed share" if job.task == "binary" else "predicted and observed mean"
    yield f"Over ten bins of the scores, {what} are {error:.3g} apart on average; {held}."
    lean = metrics["calibration"] if job.task == "binary" else metrics["bias"]
    yield f"On the whole it predicts {abs(lean):.3g} too {'much' if lean > 0 else 'little'} on the holdout."


def _tell_of_segments(job: Job, segments: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not segments:
        yield "The job declares no segments: nobody has looked whether the model is worse for some part of the rows."
    for column in segments:
        if column["too_small"]:
            yield (
                f"{_count(column['too_small'], 'segment')} of {column['column']} have fewer than "
                f"{job.training.gate.min_segment} rows on the holdout and are not judged."
            )


def _tell_of_reach(job: Job) -> Iterator[str]:
    low, high = job.score_range
    yield f"Scores outside of {low:g} to {high:g} are refused, and then the night is not published."
    told = "are told a prior, not a prediction" if job.priors is not None else "get no prediction"
    yield f"Entities that are not in the population ({job.population.name}) {told}."
    yield (
        "Permutation importance is not cause and effect, and of features that tell the same each alone seems to matter "
        "little."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
