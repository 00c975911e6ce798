"""Chunks of buckets into Redis, and back for comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import BadInputError, DamagedError
from pipeline.keyspace import ERASED, bucket_key
from pipeline.stores.predictions.encoding import Chunk
from pipeline.stores.predictions.masters import Masters
from pipeline.stores.predictions.wire import ReplyError, encode_command, read_replies

# Redis 7 and 6.2 call it by different names; both keep entries in the order in which they came.
_IN_ORDER = {b"listpack", b"ziplist"}
_HGETALL = b"*2\r\n$7\r\nHGETALL\r\n"
_HSET = b"$4\r\nHSET\r\n"
_OBJECT_ENCODING = b"*3\r\n$6\r\nOBJECT\r\n$8\r\nENCODING\r\n"


@dataclass(frozen=True)
class Sent:
    """What is remembered of a chunk until it is read back: counts and digests, no entries.

    Attributes:
        node: where they were sent, as :class:`Masters` calls it.
        counts: entries by bucket.
        digest: SHA-256 of the replies to ``HGETALL`` that are due, without the buckets in ``unordered``.
        unordered: by bucket that Redis keeps as a table: SHA-256 of its sorted entries.
    """

    node: str
    counts: dict[int, int]
    digest: bytes
    unordered: dict[int, bytes]


def send_chunk(masters: Masters, node: str, job: str, generation: str, chunk: Chunk) -> Sent:
    """Put a chunk's buckets, none of which may exist, on the node that holds them all.

    Raises:
        ReplyError: Redis refused a command.
        BadInputError: an entity id occurs twice.
    """
    commands: list[bytes | memoryview] = []
    usual: list[bytes] = []
    for bucket, count, body in chunk.bodies():
        key = _encode_key(job, generation, bucket)
        commands += (b"*%d\r\n%b%b" % (2 + 2 * count, _HSET, key), body, _OBJECT_ENCODING, key)
        usual.append(b":%d\r\n$8\r\nlistpack\r\n" % count)
    replies = masters.exchange(node, b"".join(commands))
    tables = set() if replies == b"".join(usual) else _find_tables(job, chunk, list(read_replies(replies)))
    return _remember(node, chunk, tables)


def read_chunk(masters: Masters, job: str, generation: str, sent: Sent) -> int:
    """Read a chunk's buckets and compare every byte with what was sent; returns the number of entries.

    Raises:
        ReplyError: Redis refused a command.
        DamagedError: Redis holds something else.
    """
    ordered = [bucket for bucket in sent.counts if bucket not in sent.unordered]
    replies = _read(masters, sent.node, job, generation, ordered)
    if hashlib.sha256(replies).digest() != sent.digest:
        raise _find_damage(job, generation, sent, ordered, list(read_replies(replies)))
    if sent.unordered:
        tables = list(read_replies(_read(masters, sent.node, job, generation, sent.unordered)))
        for (bucket, digest), entries in zip(sent.unordered.items(), tables, strict=True):
            if not isinstance(entries, list) or _digest_sorted(entries) != digest:
                raise _find_damage(job, generation, sent, [bucket], [entries])
    return sum(sent.counts.values())


def measure_buckets(masters: Masters, job: str, generation: str, sent: Sequence[Sent], samples: int) -> float:
    """Bytes that Redis needs for a prediction, keys included: the mean over some buckets, spread evenly.

    Raises:
        ReplyError: Redis refused a command.
    """
    counts = {bucket: (part.node, count) for part in sent for bucket, count in part.counts.items()}
    commands: dict[str, list[bytes]] = {}
    rows = 0
    for bucket in sorted(counts)[:: max(1, len(counts) // samples)]:
        node, count = counts[bucket]
        key = bucket_key(job, generation, bucket)
        commands.setdefault(node, []).append(encode_command("MEMORY", "USAGE", key, "SAMPLES", "0"))
        rows += count
    total = 0
    for node, wanted in commands.items():
        sizes = list(read_replies(masters.exchange(node, b"".join(wanted))))
        raise_first_error(sizes)
        total += sum(sizes)
    return total / rows


def mark_emptied(masters: Masters, job: str, generation: str, buckets: Iterable[int]) -> None:
    """Put into buckets that would be empty the field that an erasure leaves there, since no bucket may be missing.

    Raises:
        ReplyError: Redis refused a command.
        DamagedError: something else is in one of them.
    """
    for bucket in buckets:
        key = bucket_key(job, generation, bucket)
        commands = encode_command("HSET", key, ERASED, "null") + encode_command("HGETALL", key)
        replies = list(read_replies(masters.exchange(masters.node_of(key), commands)))
        raise_first_error(replies)
        if replies[-1] != [ERASED.encode(), b"null"]:
            raise damaged(f"nothing but the mark of an erasure in {key}", "something else", job)


def raise_first_error(replies: Iterable[Any]) -> None:
    """Raise the first error among replies, if there is one."""
    for reply in replies:
        if isinstance(reply, ReplyError):
            raise reply


def _encode_key(job: str, generation: str, bucket: int) -> bytes:
    key = bucket_key(job, generation, bucket).encode()
    return b"$%d\r\n%b\r\n" % (len(key), key)


def _find_tables(job: str, chunk: Chunk, replies: list[Any]) -> set[int]:
    """Check the replies one by one; returns the buckets that Redis does not keep in order."""
    raise_first_error(replies)
    tables = set()
    for bucket, count, added, encoding in zip(chunk.buckets, chunk.counts, replies[::2], replies[1::2], strict=True):
        if added != count:
            raise BadInputError(
                "entity ids occur more than once in a load",
                job=job,
                expected=f"{count} different ones in bucket {bucket}",
                found=f"{added}",
                next_step="quarantine duplicates before scoring",
            )
        if encoding not in _IN_ORDER:
            tables.add(bucket)
    return tables


def _remember(node: str, chunk: Chunk, tables: set[int]) -> Sent:
    due = hashlib.sha256()
    unordered = {}
    pieces: list[bytes | memoryview] = []
    for bucket, count, body in chunk.bodies():
        if bucket in tables:
            unordered[bucket] = _digest_sorted(list(read_replies(body)))
        else:
            pieces += (b"*%d\r\n" % (2 * count), body)
    due.update(b"".join(pieces))
    return Sent(node, dict(zip(chunk.buckets, chunk.counts, strict=True)), due.digest(), unordered)


def _digest_sorted(entries: list[bytes]) -> bytes:
    pairs = sorted(zip(entries[::2], entries[1::2], strict=True))
    return hashlib.sha256(b"".join(b"%d %d %b%b" % (len(key), len(value), key, value) for key, value in pairs)).digest()


def _read(masters: Masters, node: str, job: str, generation: str, buckets: Iterable[int]) -> memoryview:
    return masters.exchange(node, b"".join(_HGETALL + _encode_key(job, generation, bucket) for bucket in buckets))


def _find_damage(job: str, generation: str, sent: Sent, buckets: list[int], replies: list[Any]) -> Exception:
    for bucket, entries in zip(buckets, replies, strict=True):
        if isinstance(entries, ReplyError):
            return entries
        found = len(entries) // 2 if isinstance(entries, list) else -1
        if found != sent.counts[bucket]:
            return damaged(f"{sent.counts[bucket]} entries in bucket {bucket} of {generation}", f"{found} entries", job)
    where = f"bucket {buckets[0]}" if len(buckets) == 1 else f"buckets {buckets[0]} to {buckets[-1]}"
    return damaged(f"in {where} of {generation} what was sent", "other entries or another order", job)


def damaged(expected: str, found: str, job: str) -> DamagedError:
    """The error for what was read back and is not what was sent."""
    return DamagedError(
        "what was read back from Redis is not what was sent",
        job=job,
        expected=expected,
        found=found,
        next_step="look for another writer or an eviction policy (`nightjar doctor`), then publish again",
    )
