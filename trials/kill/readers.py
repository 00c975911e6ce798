"""Readers that read all the time, and count what no reader may ever see."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any

import redis

from pipeline.keyspace import Header, bucket_key, bucket_of, live_key, prior_key
from pipeline.serving import Reader
from pipeline.serving.errors import StoreUnavailable, Unhealthy
from trials.kill.publisher import COMMON, JOB

ENTITIES_PER_READ = 50
NOBODY = "nobody"
"""Is in no population, and gets the global prior, which is the number of the publisher, too."""


@dataclass
class Sightings:
    """What one reader saw.

    Attributes:
        reads: of fifty entities each.
        mixed: answers that were not all of the generation that they are said to be of.
        lost: reads that missed an entity or a prior which every generation holds, or found the store damaged.
        stale_flips: times that a generation was live after one with a higher token had been.
        unavailable: reads that Redis did not answer.
        generations: different ones.
        examples: the first few of what is wrong, in words.
    """

    reads: int = 0
    mixed: int = 0
    lost: int = 0
    stale_flips: int = 0
    unavailable: int = 0
    generations: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, kind: str, example: str) -> None:
        """Count something that must not be."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples) < 5:
            self.examples.append(f"{kind}: {example}")

    def judge(self, generation: str, attempt: str, values: dict[str, Any]) -> None:
        """Judge one answer, which is said to be of ``generation``, made by ``attempt``."""
        missed = [entity_id for entity_id, value in values.items() if value is None]
        others = {value for value in values.values() if value is not None} - {int(attempt)}
        if missed:
            self.note("lost", f"{len(missed)} of {len(values)} entities in {generation}, such as {missed[0]}")
        if others:
            self.note("mixed", f"{generation} of attempt {attempt} holds predictions of {sorted(others)[:3]}")


Answer = tuple[str, str, dict[str, Any]]
"""Generation, the attempt that its header names, and values by entity id."""


def read_until(stop: Event, results: Connection, open_reader: Callable[[], Iterator[Answer]]) -> None:
    """Read until ``stop`` is set, then send what was seen."""
    sightings, newest, seen = Sightings(), 0, set()
    answers, parent = open_reader(), os.getppid()
    while not stop.is_set() and os.getppid() == parent:
        sightings.reads += 1
        try:
            generation, attempt, values = next(answers)
        except Unhealthy as error:
            sightings.note("lost", str(error))
            answers = open_reader()
            continue
        except (StoreUnavailable, redis.RedisError) as error:
            sightings.note("unavailable", str(error))
            answers = open_reader()
            continue
        sightings.judge(generation, attempt, values)
        token = int(generation.split("-")[0])
        if token < newest:
            sightings.note("stale_flips", f"{generation} was live after token {newest}")
        newest = max(newest, token)
        seen.add(generation)
    sightings.generations = len(seen)
    results.send(asdict(sightings))


def read_with_reader(url: str, live_seconds: float, seed: int) -> Iterator[Answer]:
    """Answers by :class:`pipeline.serving.Reader`."""
    reader, choice = Reader(url, JOB, live_seconds=live_seconds), random.Random(seed)
    while True:
        answers = reader.get_many([*choice.sample(COMMON, ENTITIES_PER_READ), NOBODY])
        first = next(iter(answers.values()))
        of_others = {answer.generation for answer in answers.values()} - {first.generation}
        if of_others:
            raise Unhealthy(f"answers of {first.generation} and {of_others} in one read", job=JOB)
        yield first.generation, first.model_version, {name: answer.value for name, answer in answers.items()}


def read_barely(url: str, seed: int) -> Iterator[Answer]:
    """Answers by what docs/redis-contract.md says, and nothing else."""
    client, choice = redis.Redis.from_url(url, decode_responses=True), random.Random(seed)
    while True:
        ids = choice.sample(COMMON, ENTITIES_PER_READ)
        for _ in range(4):
            header, values = _look(client, ids)
            if None not in values.values():
                break
        yield header.generation, header.model_version, values


def _look(client: redis.Redis, ids: list[str]) -> tuple[Header, dict[str, Any]]:
    generation, text = client.hmget(live_key(JOB), ["generation", "header"])
    if generation is None or text is None:
        raise Unhealthy("nothing is live", job=JOB)
    header = Header.from_json(str(text))
    with client.pipeline(transaction=False) as pipeline:
        for entity_id in ids:
            pipeline.hget(bucket_key(JOB, str(generation), bucket_of(entity_id, header.buckets)), entity_id)
        pipeline.hget(prior_key(JOB, str(generation)), "")
        replies = pipeline.execute()
    answers = zip([*ids, NOBODY], replies, strict=True)
    values = {name: None if reply is None else json.loads(reply) for name, reply in answers}
    return header, values
