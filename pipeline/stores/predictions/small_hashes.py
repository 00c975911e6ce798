"""Hashes of a generation that are small enough to be sent in one command and read back in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.stores.predictions.masters import Masters
from pipeline.stores.predictions.transfer import damaged, raise_first_error
from pipeline.stores.predictions.wire import encode_command, read_replies


def send_hash(masters: Masters, key: str, entries: Mapping[str, str]) -> None:
    """Put a hash, which may not exist.

    Raises:
        ReplyError: Redis refused the command.
    """
    words = [word for entry in entries.items() for word in entry]
    raise_first_error(_exchange(masters, key, "HSET", key, *words))


def read_hash(masters: Masters, job: str, key: str, entries: Mapping[str, str]) -> None:
    """Read a hash and compare it with what was sent.

    Raises:
        ReplyError: Redis refused the command.
        DamagedError: Redis holds something else.
    """
    (found,) = replies = _exchange(masters, key, "HGETALL", key)
    raise_first_error(replies)
    due = {field.encode(): value.encode() for field, value in entries.items()}
    if dict(zip(found[::2], found[1::2], strict=True)) != due:
        raise damaged(f"the {len(due)} entries that were sent, in {key}", f"{len(found) // 2} others", job)


def _exchange(masters: Masters, key: str, *words: str) -> list[Any]:
    return list(read_replies(masters.exchange(masters.node_of(key), encode_command(*words))))
