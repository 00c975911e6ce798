"""What a generation holds, as Redis has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import redis

from pipeline.errors import DamagedError
from pipeline.keyspace import ERASED, Header, bucket_key
from pipeline.stores.predictions.masters import Masters
from pipeline.stores.predictions.refusals import explain_refusal, explained
from pipeline.stores.predictions.wire import ReplyError, encode_command, read_replies

_BUCKETS_AT_ONCE = 1024
_EMPTY = "*0"


def read_generation(client: redis.Redis, job: str, header: Header) -> Iterator[tuple[list[str], list[str]]]:
    """Entity ids and predictions (JSON text), some ten thousand at a time.

    Raises:
        DamagedError: a bucket is gone.
        UnavailableError: Redis does not answer.
        RefusedError: the user may not read.
    """
    with explained(client, job, header.partition), closing(Masters(client)) as masters:
        nodes: dict[str, list[str]] = {}
        for number in range(header.buckets):
            key = bucket_key(job, header.generation, number)
            nodes.setdefault(masters.node_of(key), []).append(key)
        for node, keys in nodes.items():
            for start in range(0, len(keys), _BUCKETS_AT_ONCE):
                some = keys[start : start + _BUCKETS_AT_ONCE]
                replies = masters.exchange(node, b"".join(encode_command("HGETALL", key) for key in some))
                yield _take_apart(client, job, header, some, replies)


def _take_apart(
    client: redis.Redis, job: str, header: Header, keys: list[str], replies: memoryview
) -> tuple[list[str], list[str]]:
    """Take replies apart at the ends of lines, which neither ids nor predictions contain."""
    lines = bytes(replies).decode().split("\r\n")
    ids: list[str] = []
    predictions: list[str] = []
    position = 0
    for key in keys:
        if not lines[position].startswith("*"):
            raise _refuse(client, job, header, replies)
        if lines[position] == _EMPTY:
            raise _gone(job, header, key)
        end = position + 1 + 2 * int(lines[position][1:])  # a bulk string is its length on a line, then itself
        found = lines[position + 2 : end : 4]
        if found != [ERASED]:
            ids += found
            predictions += lines[position + 4 : end : 4]
        position = end
    return ids, predictions


def _refuse(client: redis.Redis, job: str, header: Header, replies: memoryview) -> Exception:
    error = next((reply for reply in read_replies(replies) if isinstance(reply, ReplyError)), None)
    return explain_refusal(client, str(error or "no list"), job=job, partition=header.partition)


def _gone(job: str, header: Header, key: str) -> DamagedError:
    return DamagedError(
        f"generation {header.generation} cannot be read: a bucket is gone",
        job=job,
        partition=header.partition,
        expected=f"{header.buckets} buckets",
        found=f"no {key}",
        next_step="publish the partition again, or restore it from the lake, if it is still needed",
    )
