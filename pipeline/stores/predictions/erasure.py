"""Taking an entity out of every generation that Redis holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline import keyspace
from pipeline.keyspace import Header, State
from pipeline.stores.predictions import scripts
from pipeline.stores.predictions.refusals import explained
from pipeline.stores.predictions.registry import Generation, Registry


@dataclass(frozen=True)
class Holding:
    """A generation that holds an entity, or may yet come to.

    Attributes:
        is_loading: it is being loaded, so that what it will hold is not known; it was given up if this is an erasure.
    """

    generation: str
    partition: str | None
    state: str
    is_loading: bool


def find_entity(registry: Registry, entity_id: str) -> list[Holding]:
    """The generations that hold an entity or count it still, and those that are being loaded; newest first."""
    return [
        Holding(generation.name, generation.partition, generation.state, generation.state is State.LOADING)
        for generation in registry.read_generations()
        if generation.state is State.LOADING
        or registry.read_erasure(generation.name) == entity_id
        or _holds(registry, generation, entity_id)
    ]


def erase_entity(registry: Registry, entity_id: str) -> list[Holding]:
    """Take an entity out of every generation, live or not; what is being loaded is given up, and must be done again.

    Readers miss it from the next look on.  Every other prediction stays readable all the time.  An erasure that broke
    is completed by the next one, of whichever entity.
    """
    return [
        Holding(generation.name, generation.partition, generation.state, generation.state is State.LOADING)
        for generation in registry.read_generations()
        if (_give_up if generation.state is State.LOADING else _erase)(registry, generation, entity_id)
    ]


def _holds(registry: Registry, generation: Generation, entity_id: str) -> bool:
    if not generation.buckets:
        return False
    with explained(registry.client, registry.job, generation.partition):
        return registry.client.hget(_bucket(registry, generation, entity_id), entity_id) is not None


def _erase(registry: Registry, generation: Generation, entity_id: str) -> bool:
    """Take an entity out of a generation and of its header's count; returns whether there was anything to do.

    A bucket and a header are no neighbours on a cluster, so no script can change both.  What is to go is written down
    first, and struck off in the step that counts it out: until then anybody may do the rest, again if need be.
    """
    is_found = False
    while True:
        is_found |= _complete(registry, generation) == entity_id
        header = registry.read_header_text(generation.name)  # before the look: it changes when somebody counts down
        if not _holds(registry, generation, entity_id):
            return is_found
        if header is None:  # rejected, and its data is about to go
            _remove(registry, generation, entity_id)
            return True
        is_found |= registry.begin_erasure(generation.name, header, entity_id)


def _complete(registry: Registry, generation: Generation) -> str | None:
    """Do the rest of the erasure that was begun in a generation; returns whose it was."""
    entity_id = registry.read_erasure(generation.name)
    if entity_id is not None:
        _remove(registry, generation, entity_id)
        while not _count_down(registry, generation.name, entity_id):
            pass  # the header is another one since it was read
    return entity_id


def _remove(registry: Registry, generation: Generation, entity_id: str) -> None:
    """Take an entity out of a generation's data: its prediction last, by which it is found."""
    with explained(registry.client, registry.job, generation.partition):
        erase = registry.client.register_script(scripts.ERASE)
        for key in [*_list_reasons(registry, generation, entity_id), _bucket(registry, generation, entity_id)]:
            erase(keys=[key], args=[entity_id])


def _bucket(registry: Registry, generation: Generation, entity_id: str) -> str:
    """The key that the entity would be in."""
    return keyspace.bucket_key(registry.job, generation.name, keyspace.bucket_of(entity_id, generation.buckets))


def _list_reasons(registry: Registry, generation: Generation, entity_id: str) -> list[str]:
    """The keys that the reasons of the entity may be in: one, or all if the header that counts them is gone."""
    if generation.header is None:
        numbers = list(range(keyspace.MAX_REASON_BUCKETS))
    else:
        buckets = generation.header.reason_buckets
        numbers = [keyspace.bucket_of(entity_id, buckets)] if buckets else []
    return [keyspace.reasons_key(registry.job, generation.name, number) for number in numbers]


def _give_up(registry: Registry, generation: Generation, entity_id: str) -> bool:
    """Reject a load; if it was sealed in this very moment, erase the entity from it like from any other."""
    if registry.reject(generation.name, generation.partition, [State.LOADING]) == State.REJECTED:
        registry.remove_data(generation.name, generation.buckets)
        return True
    now = next((item for item in registry.read_generations() if item.name == generation.name), None)
    return now is not None and _erase(registry, now, entity_id)


def _count_down(registry: Registry, generation: str, entity_id: str) -> bool:
    """Write into the header that there is one entity less; False if somebody else changed it meanwhile."""
    header = registry.read_header_text(generation)
    if header is None:
        return True
    before = Header.from_json(header)
    after = replace(before, rows=before.rows - 1).to_json()
    return registry.end_erasure(generation, entity_id, header, after)
