"""Whether a Redis is fit to serve predictions."""

from __future__ import annotations

from typing import Any

import redis

from pipeline.redis_url import REDIS_ERRORS, describe_client, name_keys_on_masters
from pipeline.stores.predictions.refusals import code_of

PROBE = "nightjar:probe"
_OLDEST = (6, 2)
_LIMITS = {"entries": 128, "value": 64}  # 64 entries in the mean leave no bucket above 128


def check_server(client: redis.Redis) -> dict[str, Any]:
    """Version, memory policy, listpack limits, role and write permission, with ``problems`` in words.

    Of a cluster it is said of every master, under ``masters``.  Values that the user may not see are None.
    """
    report: dict[str, Any] = {"address": describe_client(client), "problems": []}
    try:
        found = [_check_master(master, probe) for master, probe in name_keys_on_masters(client, PROBE)]
    except REDIS_ERRORS as error:
        report["problems"].append(f"Redis does not answer: {error}")
        return report
    if len(found) == 1:
        return found[0] | {"address": report["address"]}
    report["problems"] = [f"{master['address']}: {problem}" for master in found for problem in master["problems"]]
    return report | {"masters": found}


def _check_master(client: redis.Redis, probe: str) -> dict[str, Any]:
    facts: dict[str, Any] = client.info()
    problems: list[str] = []
    report = {
        "address": describe_client(client),
        "problems": problems,
        "version": facts["redis_version"],
        "role": facts["role"],
        "used_memory": facts["used_memory"],
        "maxmemory": facts["maxmemory"],
        "maxmemory_policy": facts["maxmemory_policy"],
        "listpack_limits": _read_limits(client),
        "writeable": _is_writeable(client, probe, problems),
    }
    problems += _judge(report)
    return report


def _judge(report: dict[str, Any]) -> list[str]:
    problems = []
    if tuple(int(part) for part in report["version"].split(".")[:2]) < _OLDEST:
        problems.append(f"Redis {report['version']} is too old: 6.2 or later is needed")
    if report["maxmemory_policy"] != "noeviction":
        problems.append(
            f"maxmemory-policy is {report['maxmemory_policy']}: set it to noeviction, or predictions vanish"
        )
    if report["maxmemory"] and report["used_memory"] > 0.9 * report["maxmemory"]:
        problems.append(f"memory is nearly full: {report['used_memory']:,} of {report['maxmemory']:,} bytes")
    for name, least in _LIMITS.items():
        limit = (report["listpack_limits"] or {}).get(name)
        if limit is not None and limit < least:
            problems.append(
                f"hash-max-listpack-{name} is {limit}: below {least}, predictions take several times the memory"
            )
    return problems


def _read_limits(client: redis.Redis) -> dict[str, int] | None:
    """``hash-max-listpack-*``, called ``ziplist`` before Redis 7; None if CONFIG is denied."""
    try:
        found: dict[str, str] = client.config_get("hash-max-*")  # type: ignore[assignment]
    except redis.ResponseError:
        return None
    wanted = {name: (f"hash-max-listpack-{name}", f"hash-max-ziplist-{name}") for name in _LIMITS}
    return {name: int(found[key]) for name, keys in wanted.items() for key in keys[::-1] if key in found}


def _is_writeable(client: redis.Redis, probe: str, problems: list[str]) -> bool:
    try:
        client.set(probe, "1", px=1000)
    except redis.RedisError as error:
        problems.append(f"Redis takes no writes ({code_of(error) or type(error).__name__}): {error}")
        return False
    return True
