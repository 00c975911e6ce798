"""Whether Redis can take a generation, asked before the first byte of it is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from pipeline.errors import RefusedError, UnavailableError
from pipeline.keyspace import ENTRIES_PER_BUCKET, State
from pipeline.redis_url import describe_client, name_keys_on_masters
from pipeline.stores.predictions import janitor
from pipeline.stores.predictions.checks import PROBE
from pipeline.stores.predictions.memory import measure_generation
from pipeline.stores.predictions.refusals import explained
from pipeline.stores.predictions.registry import Generation, Registry

# What waits in Redis' buffers while a chunk of some 65,000 rows is sent or read back counts as its memory, too.
_ROWS_ON_THE_WAY = 1 << 16
_BYTES_ON_THE_WAY = 64
# Of each key, beside what MEMORY USAGE counts: an entry of the main table, and slots for it in the old and the new one.
_BYTES_OF_AN_ENTRY = 24
_BYTES_OF_A_SLOT = 8


@dataclass(frozen=True)
class Demand:
    """What a load needs, by what the newest generation that is held takes.

    Attributes:
        measured: that generation; None if there is none, so that nothing is known.
        bytes_per_prediction: of it, with its keys.
    """

    rows: int
    measured: str | None
    bytes_per_prediction: float

    def bytes_on(self, keys: int, share: float) -> int:
        """Bytes on a server that has ``keys`` now and gets ``share`` of the rows, at the peak of the load."""
        rows = int(self.rows * share)
        added = rows // ENTRIES_PER_BUCKET + 1
        slots = 1 << (keys + added).bit_length()
        return int(
            rows * self.bytes_per_prediction
            + added * _BYTES_OF_AN_ENTRY
            + slots * _BYTES_OF_A_SLOT
            + min(rows, _ROWS_ON_THE_WAY) * _BYTES_ON_THE_WAY
        )


def check_redis(registry: Registry, rows: int) -> dict[str, Any]:
    """Look at every master: may we write, is nothing evicted, is it persisted and replicated, is there memory?

    Returns:
        What was found: ``held`` (bytes by use), ``bytes_per_prediction``, ``servers`` with the numbers of each, and
        ``warnings`` in words about what does not stop a load.

    Raises:
        UnavailableError: it takes no writes now, or the load would not fit; with numbers.
        RefusedError: it would lose predictions, by its settings or its role, or the user may not write.
    """
    generations = registry.read_generations()
    held = _measure_held(registry, generations)
    demand = _estimate_demand(registry, generations, rows)
    servers, warnings = [], []
    probes = name_keys_on_masters(registry.client, PROBE)
    for client, probe in probes:
        _check_writes(registry, client, probe)
        with explained(client, registry.job):
            facts: dict[str, Any] = client.info()
        keys = sum(count["keys"] for name, count in facts.items() if re.fullmatch(r"db\d+", name))
        _check_settings(registry, client, facts)
        server = _describe_memory(client, facts, demand.bytes_on(keys, 1 / len(probes)) if demand.measured else None)
        _check_memory(registry, server, demand, held)
        servers.append(server | {"role": facts["role"], "replicas": facts["connected_slaves"]})
        warnings += [f"{server['address']}: {warning}" for warning in _find_warnings(facts)]
    return {
        "rows": rows,
        "measured": demand.measured,
        "bytes_per_prediction": demand.bytes_per_prediction if demand.measured else None,
        "held": held,
        "servers": servers,
        "warnings": warnings,
    }


def _measure_held(registry: Registry, generations: list[Generation]) -> dict[str, int]:
    """Bytes by use, each generation counted once."""
    live = registry.read_live()
    previous = janitor.find_previous(registry, generations)
    held = dict.fromkeys(("live", "previous", "pinned", "staged", "others"), 0)
    for generation in generations:
        use = "others"
        if live and generation.name == live.generation:
            use = "live"
        elif generation.name == previous:
            use = "previous"
        elif generation.pin:
            use = "pinned"
        elif generation.state is State.LOADING or (
            generation.state is State.VERIFIED and generation.token > (live.token if live else 0)
        ):
            use = "staged"
        held[use] += measure_generation(registry.client, registry.job, generation).bytes
    return held


def _estimate_demand(registry: Registry, generations: list[Generation], rows: int) -> Demand:
    whole = [generation for generation in generations if generation.header]
    for generation in sorted(whole, key=lambda item: item.state is not State.LIVE):
        if generation.header and (found := measure_generation(registry.client, registry.job, generation)).bytes:
            return Demand(rows, generation.name, found.bytes / generation.header.rows)
    return Demand(rows, None, 0.0)


def _check_writes(registry: Registry, client: redis.Redis, probe: str) -> None:
    with explained(client, registry.job):
        client.set(probe, "1", px=1000)


def _check_settings(registry: Registry, client: redis.Redis, facts: Mapping[str, Any]) -> None:
    address = describe_client(client)
    if facts["role"] != "master":
        raise RefusedError(
            f"this Redis is a replica, so what it is given is lost at its next synchronisation: {address}",
            job=registry.job,
            expected="a master",
            found=f"a {facts['role']} of {facts.get('master_host')}, link {facts.get('master_link_status')}",
            next_step="point NIGHTJAR_REDIS_URL to the master",
        )
    if facts["maxmemory"] and facts["maxmemory_policy"] != "noeviction":
        raise RefusedError(
            f"this Redis would drop predictions when its memory is full: {address}",
            job=registry.job,
            expected="maxmemory-policy noeviction",
            found=facts["maxmemory_policy"],
            next_step="set maxmemory-policy to noeviction, then publish again",
        )


def _describe_memory(client: redis.Redis, facts: Mapping[str, Any], needed: int | None) -> dict[str, Any]:
    """Bytes of one server.

    Redis itself compares maxmemory with what it uses less some buffers.  A fork's copy comes on top, of the machine's
    memory: as much as Redis saw pages being copied in its last fork.
    """
    counted = facts["used_memory"] - facts.get("mem_not_counted_for_evict", 0)
    copied = max(facts.get(name, 0) for name in ("rdb_last_cow_size", "aof_last_cow_size", "current_cow_size"))
    machine = facts.get("total_system_memory") or None
    return {
        "address": describe_client(client),
        "needed": needed,
        "used": counted,
        "maxmemory": facts["maxmemory"] or None,
        "free": facts["maxmemory"] - counted if facts["maxmemory"] else None,
        "fork_copy": copied,
        "resident": facts["used_memory_rss"],
        "machine": machine,
        "machine_free": None if machine is None else machine - facts["used_memory_rss"] - copied,
    }


def _check_memory(registry: Registry, server: Mapping[str, Any], demand: Demand, held: Mapping[str, int]) -> None:
    limits = [("maxmemory", server["free"]), ("machine", server["machine_free"])]
    for limit, free in limits:
        if server["needed"] is None or free is None or free >= server["needed"]:
            continue
        uses = ", ".join(f"{use} {size:,}" for use, size in held.items())
        copied = f", {server['fork_copy']:,} kept for a fork's copy" if limit == "machine" else ""
        raise UnavailableError(
            f"the generation would not fit into Redis, so nothing was loaded: {server['address']}",
            job=registry.job,
            expected=f"{server['needed']:,} bytes free for {demand.rows:,} predictions of "
            f"{demand.bytes_per_prediction:.1f} bytes, as in {demand.measured}",
            found=f"{max(free, 0):,} bytes free of {limit} {server[limit]:,}{copied}; held by the job: {uses}",
            next_step="give Redis more memory, take out pins, or prune "
            f"(`nightjar prune {registry.job} --apply`), then publish again",
        )


def _find_warnings(facts: Mapping[str, Any]) -> list[str]:
    """Persistence and replication that do not work, though writes are still taken."""
    statuses = ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")
    replicas = [facts[name] for name in facts if name.startswith("slave") and isinstance(facts[name], dict)]
    return [
        *(
            f"{name} is {facts[name]}: a restart may lose what is published"
            for name in statuses
            if facts.get(name, "ok") != "ok"
        ),
        *(
            f"replica {replica.get('ip')}:{replica.get('port')} is {replica.get('state')}"
            for replica in replicas
            if replica.get("state") != "online"
        ),
    ]
