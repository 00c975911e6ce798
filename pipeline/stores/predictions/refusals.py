"""What Redis refuses, in words that tell an operator what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from pipeline.errors import NightjarError, RefusedError, UnavailableError
from pipeline.keyspace import describe_address

# Redis 7 begins the error of a script with the code of the command that failed; 6.2 has it somewhere inside.
_CODE = re.compile(r"(?:^|-)(OOM|READONLY|NOPERM|NOAUTH|WRONGPASS|MISCONF|LOADING|NOREPLICAS|MASTERDOWN)\b")
_SCRIPT_MAY_NOT = re.compile(
    r"user executing the script can't|can't (run this command|access at least one of the keys)"
)

_CLASSES: tuple[tuple[type[redis.RedisError], str], ...] = (
    (redis.exceptions.OutOfMemoryError, "OOM"),
    (redis.exceptions.ReadOnlyError, "READONLY"),
    (redis.exceptions.NoPermissionError, "NOPERM"),
    (redis.exceptions.AuthenticationError, "NOAUTH"),
    (redis.exceptions.BusyLoadingError, "LOADING"),
    (redis.exceptions.ConnectionError, "DOWN"),
    (redis.exceptions.TimeoutError, "DOWN"),
)

_PROBLEMS = {
    "OOM": ("Redis is out of memory", "give it more memory (maxmemory), or prune generations, then publish again"),
    "READONLY": ("this Redis is a read-only replica", "point NIGHTJAR_REDIS_URL to the master"),
    "NOPERM": ("the Redis user may not do this", "give the publisher's user the commands and keys it needs"),
    "NOAUTH": ("Redis did not accept the user or password", "correct the credentials in NIGHTJAR_REDIS_URL"),
    "WRONGPASS": ("Redis did not accept the user or password", "correct the credentials in NIGHTJAR_REDIS_URL"),
    "MISCONF": ("Redis refuses writes because it cannot save to disk", "free its disk or mend its persistence"),
    "LOADING": ("Redis is still loading its data", "try again once it has finished"),
    "NOREPLICAS": ("Redis refuses writes because it has too few replicas", "bring its replicas back"),
    "MASTERDOWN": ("this Redis is a replica that lost its master", "point NIGHTJAR_REDIS_URL to the master"),
    "DOWN": ("Redis does not answer", "start it, or correct NIGHTJAR_REDIS_URL, then try again"),
}
_NEVER_HEALS = {"NOPERM", "NOAUTH", "WRONGPASS"}


def explain_refusal(
    client: redis.Redis, text: str, *, code: str | None = None, job: str, **parts: Any
) -> NightjarError:
    """The error for an error reply of Redis, ``text``, or for what redis-py raised.

    Returns:
        RefusedError for missing rights, since a retry finds the same; UnavailableError for everything else.
    """
    code = code or _find_code(text)
    problem, next_step = _PROBLEMS.get(code, ("Redis refused a command", "see the log of Redis"))
    kind = RefusedError if code in _NEVER_HEALS else UnavailableError
    address = describe_address(client.connection_pool.connection_kwargs)
    memory = f" ({describe_memory(client)})" if code == "OOM" else ""
    return kind(
        f"{problem}: {address}",
        job=job,
        found=text + memory,
        next_step=next_step,
        expected="the command to succeed",
        **parts,
    )


def code_of(error: redis.RedisError) -> str:
    """The code of what redis-py raised, such as ``OOM``; empty if it is none of those we can explain."""
    return next((code for kind, code in _CLASSES if isinstance(error, kind)), "") or _find_code(str(error))


def _find_code(text: str) -> str:
    match = _CODE.search(text)
    return match[1] if match else "NOPERM" if _SCRIPT_MAY_NOT.search(text) else ""


def describe_memory(client: redis.Redis) -> str:
    """Used and allowed bytes, for messages."""
    try:
        memory: dict[str, Any] = client.info("memory")
    except redis.RedisError as error:
        return f"its memory is not known: {error}"
    return f"used {memory['used_memory']:,} of maxmemory {memory['maxmemory']:,} bytes"


@contextmanager
def explained(client: redis.Redis, job: str, partition: str | None = None) -> Iterator[None]:
    """Turn what redis-py raises in the body into Nightjar's errors."""
    try:
        yield
    except redis.RedisError as error:
        raise explain_refusal(client, str(error), code=code_of(error), job=job, partition=partition) from error
