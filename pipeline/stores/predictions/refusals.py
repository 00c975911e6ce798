"""What Redis refuses, in words that tell an operator what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from pipeline.errors import NightjarError, RefusedError, UnavailableError
from pipeline.redis_url import REDIS_ERRORS, describe_client, list_masters
from pipeline.stores.predictions.decisions import Rejection

# Redis 7 begins the error of a script with the code of the command that failed; 6.2 has it somewhere inside.
_CODE = re.compile(
    r"(?:^|-)(OOM|READONLY|NOPERM|NOAUTH|WRONGPASS|MISCONF|LOADING|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|MOVED|ASK"
    r"|TRYAGAIN)\b"
)
_SCRIPT_MAY_NOT = re.compile(
    r"user executing the script can't|can't (run this command|access at least one of the keys)"
)

_CLASSES: tuple[tuple[type[Exception], str], ...] = (
    (redis.exceptions.OutOfMemoryError, "OOM"),
    (redis.exceptions.ReadOnlyError, "READONLY"),
    (redis.exceptions.NoPermissionError, "NOPERM"),
    (redis.exceptions.AuthenticationError, "NOAUTH"),
    (redis.exceptions.BusyLoadingError, "LOADING"),
    (redis.exceptions.MasterDownError, "MASTERDOWN"),
    (redis.exceptions.ClusterDownError, "CLUSTERDOWN"),
    (redis.exceptions.SlotNotCoveredError, "CLUSTERDOWN"),
    (redis.exceptions.AskError, "MOVED"),
    (redis.exceptions.ConnectionError, "DOWN"),
    (redis.exceptions.TimeoutError, "DOWN"),
    (redis.exceptions.RedisClusterException, "DOWN"),
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
    "CLUSTERDOWN": ("the Redis cluster is not whole", "bring its missing masters back, then publish again"),
    "MOVED": ("the Redis cluster is moving slots between its masters", "publish again once it has settled"),
    "ASK": ("the Redis cluster is moving slots between its masters", "publish again once it has settled"),
    "TRYAGAIN": ("the Redis cluster is moving slots between its masters", "publish again once it has settled"),
    "DOWN": ("Redis does not answer", "start it, or correct NIGHTJAR_REDIS_URL, then try again"),
}
_NEVER_HEALS = {"NOPERM", "NOAUTH", "WRONGPASS"}


class UnevenIdsError(RefusedError):
    """The checksums of the entity ids leave a bucket empty; begin the load with ``gather=True``."""


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
    address = describe_client(client)
    memory = f" ({describe_memory(client)})" if code == "OOM" else ""
    return kind(
        f"{problem}: {address}",
        job=job,
        found=text + memory,
        next_step=next_step,
        expected="the command to succeed",
        **parts,
    )


def code_of(error: Exception) -> str:
    """The code of what redis-py raised, such as ``OOM``; empty if it is none of those we can explain."""
    return next((code for kind, code in _CLASSES if isinstance(error, kind)), "") or _find_code(str(error))


def _find_code(text: str) -> str:
    match = _CODE.search(text)
    return match[1] if match else "NOPERM" if _SCRIPT_MAY_NOT.search(text) else ""


def describe_memory(client: redis.Redis) -> str:
    """Used and allowed bytes, of every master, for messages."""
    try:
        sizes: list[dict[str, Any]] = [master.info("memory") for master in list_masters(client)]
    except REDIS_ERRORS as error:
        return f"its memory is not known: {error}"
    return "; ".join(f"used {size['used_memory']:,} of maxmemory {size['maxmemory']:,} bytes" for size in sizes)


@contextmanager
def explained(client: redis.Redis, job: str, partition: str | None = None) -> Iterator[None]:
    """Turn what redis-py raises in the body into Nightjar's errors."""
    try:
        yield
    except REDIS_ERRORS as error:
        raise explain_refusal(client, str(error), code=code_of(error), job=job, partition=partition) from error


def refuse_flip(
    job: str, generation: str, token: int, result: str, reason: str | None, live: str | None
) -> RefusedError:
    """The error for a generation that was not made live because of ``result``."""
    if result == "rejected":
        rejection = Rejection.from_json(reason or "")
        return RefusedError(
            f"generation {generation} was not made live, for it was rolled back; readers still see {live or 'nothing'}",
            job=job,
            partition=rejection.partition,
            expected="inputs that differ from those of a release that was rolled back",
            found=f"those of {rejection.generation}, rolled back by {rejection.who} at {rejection.at}: {rejection.why}",
            next_step="correct the inputs and run the partition again, or release what was rejected explicitly",
        )
    expected, found = {
        "token": (f"a token higher than live's or the last rollback's, {reason}", f"token {token}"),
        "state": ("a verified generation", f"its state is {reason or 'not known'}"),
        "newest": ("the newest generation of its partition", f"a newer one, {reason}"),
    }.get(result, ("a generation with a header", "none"))
    return RefusedError(
        f"generation {generation} was not made live; readers still see {live or 'nothing'}",
        job=job,
        expected=expected,
        found=found,
        next_step="nothing if a newer run has published; else publish the partition again",
    )


def refuse_rollback(job: str, target: str | None, found: str, live: str | None) -> RefusedError:
    """The error for a rollback that changed nothing."""
    return RefusedError(
        f"nothing was rolled back; readers still see {live or 'nothing'}",
        job=job,
        expected=f"{target or 'an earlier generation'}, retired and still kept",
        found=found,
        next_step="see `nightjar releases` for generations that are kept, or publish a partition again",
    )


def refuse_load(
    job: str,
    partition: str,
    generation: str,
    problem: str,
    *,
    expected: str,
    next_step: str,
    kind: type[RefusedError] = RefusedError,
) -> RefusedError:
    """The error for a step of a load that its state does not allow."""
    return kind(
        f"{problem}: generation {generation}", job=job, partition=partition, expected=expected, next_step=next_step
    )
