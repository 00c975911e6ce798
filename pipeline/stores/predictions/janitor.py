"""Which generations may go, and their removal.  The registry names them: the keyspace is never scanned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from pipeline.keyspace import State, token_of
from pipeline.stores.predictions.registry import Generation, Registry

# A load takes seconds a million rows.  One that was begun this long ago, and has a successor, is given up for dead.
ABANDONED_AFTER = timedelta(hours=1)
# Partitions whose newest generation is kept: a week of nights, and as many that were loaded last (backfills).
KEPT_PARTITIONS = 7
# Readers keep `live` for a second; they may hold a generation that long, and be slow.
KEPT_FOR_READERS = timedelta(minutes=10)

_PRUNED = (State.VERIFIED, State.RETIRED, State.REJECTED)


def prune(registry: Registry, keep: int, *, dry_run: bool) -> list[str]:
    """Remove what may go; returns the names, oldest first.  See :meth:`PredictionStore.prune`."""
    abandoned = find_abandoned(registry, registry.read_token())
    superseded = find_superseded(registry, keep)
    if dry_run:
        return [generation.name for generation in (*abandoned, *superseded)]
    removed = [generation.name for generation in abandoned if give_up(registry, generation)]
    for generation in superseded:
        # It may have been made live or pinned since it was listed.
        if registry.reject(generation.name, generation.partition, _PRUNED) == State.REJECTED:
            registry.remove_data(generation.name, generation.buckets)
            registry.forget(generation.name)
            removed.append(generation.name)
    return removed


def give_up(registry: Registry, generation: Generation) -> bool:
    """Reject a dead load and remove its data; returns whether it was still loading, or rejected by somebody else.

    It stays known for a while, since its publisher may only be paused, and write on when it wakes up.
    """
    # It may have been sealed since it was listed, and be what readers see.
    is_rejected = registry.reject(generation.name, generation.partition, [State.LOADING]) == State.REJECTED
    if is_rejected:
        registry.remove_data(generation.name, generation.buckets)
    return is_rejected


def find_abandoned(registry: Registry, newest_token: int) -> list[Generation]:
    """Loads that were begun more than an hour ago, never ended and have a successor; oldest first."""
    now = registry.clock()
    return [
        generation
        for generation in reversed(registry.read_generations())
        if generation.state is State.LOADING
        and generation.token < newest_token
        and generation.record is not None
        and now - generation.record.begun_at > ABANDONED_AFTER
    ]


def find_superseded(registry: Registry, keep: int) -> list[Generation]:
    """Generations that nobody needs any more, oldest first."""
    live = registry.read_live()
    newest = registry.read_partitions()
    generations = registry.read_generations()
    tokens = {partition: token_of(name) or 0 for partition, name in newest.items()}
    kept = {find_previous(registry, generations), *(newest[item] for item in choose_partitions(tokens, keep))}
    found: list[Generation] = []
    held: set[str | None] = set()
    for generation in sorted(generations, key=lambda item: item.token):
        may_go = generation.name not in kept and generation.pin is None
        # Reading by partition goes to the newest one: it stays as long as an older one of its partition.
        is_read = generation.name in newest.values() and generation.partition in held
        if may_go and not is_read and _is_superseded(generation, live.token if live else 0, registry.clock()):
            found.append(generation)
        elif generation.header is not None:
            held.add(generation.partition)
    return found


def find_previous(registry: Registry, generations: list[Generation] | None = None) -> str | None:
    """The generation to roll back to, see :func:`find_retired`."""
    known = registry.read_generations() if generations is None else generations
    retired = find_retired(known, registry.read_rejections())
    return retired[-1].name if retired else None


def find_retired(generations: Iterable[Generation], rejected: Collection[str]) -> list[Generation]:
    """What can be returned to: was live, is still kept, and is made of other inputs; the last to be live last.

    A partition that was run again has several generations of the same inputs: to return to one of them would change
    nothing that is read.

    Args:
        rejected: digests of inputs that were rolled back.
    """
    known = list(generations)
    served = {item.header.inputs for item in known if item.state is State.LIVE and item.header} - {""}
    retired = [
        item
        for item in known
        if item.state is State.RETIRED and item.header and item.header.inputs not in served | {*rejected}
    ]
    return sorted(retired, key=lambda item: item.released)


def choose_partitions(tokens: Mapping[str, int], keep: int) -> set[str]:
    """The last ``keep`` partitions, and the ``keep`` that were loaded last: backfills.

    Args:
        tokens: by partition, the one that its newest generation was loaded with.
    """
    by_date = sorted(tokens, reverse=True)
    by_token = sorted(tokens, key=lambda partition: tokens[partition], reverse=True)
    return {*by_date[:keep], *by_token[:keep]}


def _is_superseded(generation: Generation, live_token: int, now: datetime) -> bool:
    if generation.state is State.RETIRED:
        return generation.ended_at is None or now - generation.ended_at > KEPT_FOR_READERS
    if generation.state is State.REJECTED:
        # Its publisher may be paused, and write on when it wakes up.
        return generation.ended_at is None or now - generation.ended_at > ABANDONED_AFTER
    return generation.state is State.VERIFIED and generation.token < live_token
