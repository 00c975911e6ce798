"""Taking an entity out of every generation that Redis holds."""

from __future__ import annotations

from collections.abc import Iterator
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
    """The generations that hold an entity, and those that are being loaded; newest first."""
    return [
        Holding(generation.name, generation.partition, generation.state, generation.state is State.LOADING)
        for generation in registry.read_generations()
        if generation.state is State.LOADING or _holds(registry, generation, entity_id)
    ]


def erase_entity(registry: Registry, entity_id: str) -> list[Holding]:
    """Take an entity out of every generation, live or not; what is being loaded is given up, and must be done again.

    Readers miss it from the next look on.  Every other prediction stays readable all the time.
    """
    return [
        Holding(generation.name, generation.partition, generation.state, generation.state is State.LOADING)
        for generation in registry.read_generations()
        if (_give_up if generation.state is State.LOADING else _erase)(registry, generation, entity_id)
    ]


def _holds(registry: Registry, generation: Generation, entity_id: str) -> bool:
    with explained(registry.client, registry.job, generation.partition):
        return any(registry.client.hget(key, entity_id) is not None for key in _bucket(registry, generation, entity_id))


def _erase(registry: Registry, generation: Generation, entity_id: str) -> bool:
    found = False
    with explained(registry.client, registry.job, generation.partition):
        for key in _bucket(registry, generation, entity_id):
            found = bool(registry.client.register_script(scripts.ERASE)(keys=[key], args=[entity_id]))
    while found and not _count_down(registry, generation.name):
        pass  # another erasure has changed the header in between
    return found


def _bucket(registry: Registry, generation: Generation, entity_id: str) -> Iterator[str]:
    """The key that the entity is in, if the generation has buckets."""
    if generation.buckets:
        bucket = keyspace.bucket_of(entity_id, generation.buckets)
        yield keyspace.bucket_key(registry.job, generation.name, bucket)


def _give_up(registry: Registry, generation: Generation, entity_id: str) -> bool:
    """Reject a load; if it was sealed in this very moment, erase the entity from it like from any other."""
    if registry.reject(generation.name, generation.partition, [State.LOADING]) == State.REJECTED:
        registry.remove_data(generation.name, generation.buckets)
        return True
    now = next((item for item in registry.read_generations() if item.name == generation.name), None)
    return now is not None and _erase(registry, now, entity_id)


def _count_down(registry: Registry, generation: str) -> bool:
    """Write into the header that there is one entity less; False if somebody else changed it meanwhile."""
    header = registry.read_header_text(generation)
    if header is None:
        return True
    before = Header.from_json(header)
    return registry.replace_header(generation, header, replace(before, rows=before.rows - 1).to_json())
