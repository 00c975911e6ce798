"""What moves the pointer that readers follow: a flip to a new generation, a rollback to an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from pipeline.stores.predictions import janitor
from pipeline.stores.predictions.decisions import Decision
from pipeline.stores.predictions.refusals import refuse_flip, refuse_rollback
from pipeline.stores.predictions.registry import Registry


@dataclass(frozen=True)
class Flip:
    """What a flip did.

    Attributes:
        result: ``live``, or ``kept`` for an older partition than the live one: stored and readable by partition.
        generation: the one that was asked for.
        previous: the generation that was live before, if any.
    """

    result: Literal["live", "kept"]
    generation: str
    previous: str | None


@dataclass(frozen=True)
class Rollback:
    """What a rollback did.

    Attributes:
        generation: the one that is live now.
        previous: the one that was live before.
        rejected: generations that were released after ``generation``, and do not come back by themselves.
        token: the fencing token of the rollback; a publisher with a lower one is refused.
    """

    generation: str
    previous: str
    rejected: list[str]
    token: int


def flip(registry: Registry, generation: str, token: int, *, allow_older_partition: bool, allow_rejected: bool) -> Flip:
    """Make a verified generation live.  See :meth:`PredictionStore.flip`."""
    result, previous, reason = registry.flip(
        generation, token, allow_older_partition=allow_older_partition, allow_rejected=allow_rejected
    )
    if result not in ("live", "kept"):
        raise refuse_flip(registry.job, generation, token, result, reason, previous)
    return Flip(result, generation, previous)


def roll_back(registry: Registry, to: str | None, decision: Decision, known_token: int) -> Rollback:
    """Make a generation live again that was live before.  See :meth:`PredictionStore.rollback`."""
    live = registry.read_live()
    target = to or janitor.find_previous(registry)
    if live is None or target is None:
        raise refuse_rollback(registry.job, target, "nothing", live.generation if live else None)
    result, reason, *rejected = registry.roll_back(live.generation, target, decision, known_token)
    if result != "live":
        raise refuse_rollback(registry.job, target, f"{result}: {reason}", live.generation)
    return Rollback(target, live.generation, cast("list[str]", rejected), int(reason or 0))
