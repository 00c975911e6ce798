"""Republish: fill a Redis that lost everything from the lake, as it was, without scoring again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline.digests import canonical_json
from pipeline.errors import DamagedError, RefusedError
from pipeline.job import Job
from pipeline.keyspace import Header, token_of
from pipeline.stores.predictions import Pin
from pipeline.stores.predictions.janitor import KEPT_PARTITIONS, choose_partitions
from pipeline.stores.release_log import (
    MADE_LIVE,
    ReleaseEvent,
    find_live,
    find_previous,
    list_pinned,
    list_rejected,
    list_taken_back,
)
from pipeline.tasks.cold_starts import read_priors
from pipeline.tasks.comparing import SCORES
from pipeline.tasks.manifests import AS_CORRECTED, find_highest_token, find_reasons, require_manifest
from pipeline.tasks.reasons import read_reasons
from pipeline.tasks.release_history import log_release
from pipeline.tasks.runs import Summary
from pipeline.tasks.scoring import SCORE_STAGE
from pipeline.tasks.workspace import Workspace


def republish(workspace: Workspace, job: Job, *, who: str) -> Summary:
    """Restore what Redis served: live, the one before it, the newest of the partitions that are kept, and pins.

    Generations come back under their names, with their headers and the bytes that they had; tokens go on above every
    one that the lake knows; what was rolled back stays rejected.  What Redis still has is left as it is, and if it has
    something newer live, that stays live.  Pins of generations that the lake has not kept are lost, and named.

    Raises:
        RefusedError: the lake knows of no release.
        DamagedError: the scores of what was live are not in the lake any more, or a manifest was altered.
        UnavailableError: Redis does not take it.
    """
    events = workspace.release_log(job).events()
    live = find_live(events)
    if live is None:
        raise _nothing(job)
    known, headers = find_highest_token(workspace, job), _list_headers(events)
    restoration = workspace.predictions.restoration(job.name)
    restoration.reject(list_rejected(events))
    results = {live.generation: _restore_live(workspace, job, headers[live.generation], live.token, known)}
    results |= _restore_kept(workspace, job, events, live, known)
    pins_lost = [
        generation
        for generation, event in list_pinned(events).items()
        if not restoration.pin(generation, Pin(event.who, event.why, event.at))
    ]
    restored = [headers[generation] for generation, result in results.items() if result == "restored"]
    if restored:
        log_release(
            workspace,
            job,
            "republished",
            headers[live.generation],
            token=find_highest_token(workspace, job),
            who=who,
            why=f"{len(restored)} generations restored from the lake",
        )
    serving = workspace.predictions.live(job.name)
    return {
        "job": job.name,
        "live": None if serving is None else serving.generation,
        "partition": None if serving is None else serving.header.partition,
        "generations": results,
        "rows": sum(header.rows for header in restored),
        "rejected": len(list_rejected(events)),
        "pins_lost": pins_lost,
    }


def list_restorable(workspace: Workspace, job: Job) -> set[str]:
    """The generations that :func:`republish` would restore, if Redis lost everything now."""
    events = workspace.release_log(job).events()
    live = find_live(events)
    return set() if live is None else {live.generation, *_choose_kept(events, live)}


def _restore_live(workspace: Workspace, job: Job, header: Header, token: int, known_token: int) -> str:
    """Load what was live with ``token`` and make it so again, unless Redis has something newer live."""
    result = _restore(workspace, job, header, known_token)
    if result == "gone":
        raise _lost(workspace, job, header)
    store = workspace.predictions
    serving = store.live(job.name)
    if serving is None or serving.token < token:
        store.flip(job.name, header.generation, token, allow_older_partition=True)
    return result


def _restore_kept(
    workspace: Workspace, job: Job, events: Sequence[ReleaseEvent], live: ReleaseEvent, known_token: int
) -> dict[str, str]:
    """Load what was kept beside live, each in the state that it had; returns what came of each."""
    restoration = workspace.predictions.restoration(job.name)
    headers, tokens = _list_headers(events), _list_tokens(events)
    kept, taken_back = {event.generation for event in events if event.kind == "kept"}, list_taken_back(events)
    results = {}
    for generation in _choose_kept(events, live):
        results[generation] = _restore(workspace, job, headers[generation], known_token)
        if results[generation] != "restored":
            continue
        if generation in tokens:
            restoration.retire(generation, tokens[generation], is_taken_back=generation in taken_back)
        elif generation in kept and headers[generation].basis == AS_CORRECTED:
            restoration.keep(headers[generation])
    return results


def _restore(workspace: Workspace, job: Job, header: Header, known_token: int) -> str:
    """Load one generation again; returns ``restored``, ``present`` or ``gone``, where the lake has not kept it."""
    outputs = workspace.outputs(job)
    manifest = require_manifest(workspace, job, header.generation, digest=header.manifest)
    try:
        scored = outputs.load(SCORE_STAGE, manifest["scores"]["address"])
    except FileNotFoundError:
        return "gone"
    header = replace(header, rows=outputs.count_rows(scored, SCORES))  # what was erased since stays erased
    reasons = read_reasons(workspace, job, header.partition, find_reasons(manifest))
    if reasons.described is None:
        header = replace(header, reason_buckets=0)
    load = workspace.predictions.restoration(job.name).begin(header, known_token, decimals=scored.inputs["decimals"])
    if load is None:
        return "present"
    with load:
        if header.priors:
            load.send_priors(read_priors(workspace, job, header.model_version)[0])
        if header.reason_buckets:
            load.send_reasons(reasons.texts, header.reason_buckets)
        labels = scored.shards(SCORES)
        if header.buckets % len(labels):  # its buckets were chosen by all ids at once
            load.send(pa.concat_tables([outputs.read(scored, label) for label in labels]))
        else:
            for label in labels:
                load.send(outputs.read(scored, label))
        load.read_back()
        load.seal(header)
    return "restored"


def _choose_kept(events: Sequence[ReleaseEvent], live: ReleaseEvent) -> list[str]:
    """Beside live: the one before it, pins, and the newest of the partitions that a janitor would have kept.

    Newest first, since a partition is read from the one that Redis gets first; what was published goes before what the
    gate holds back, and that before what was taken back.
    """
    rejected, taken_back = list_rejected(events), list_taken_back(events)
    newest: dict[str, ReleaseEvent] = {}
    for event in events:
        is_load = event.header is not None and event.kind in ("released", "kept", "held", "refused", "approved")
        is_left = event.inputs in rejected or event.generation in taken_back
        if is_load and not is_left and _rank(event) > _rank(newest.get(event.partition)):
            newest[event.partition] = event
    tokens = {partition: _loaded_with(event) for partition, event in newest.items()}
    previous = find_previous(events)
    chosen = [previous] if previous is not None else []
    chosen += [newest[partition] for partition in choose_partitions(tokens, KEPT_PARTITIONS)]
    chosen += list_pinned(events).values()
    ranked = sorted(chosen, key=lambda event: (event.generation not in taken_back, *_rank(event)), reverse=True)
    return [name for name in dict.fromkeys(event.generation for event in ranked) if name != live.generation]


def _rank(event: ReleaseEvent | None) -> tuple[bool, int]:
    """Published or not, audits counting as not, and the token that it was loaded with."""
    is_audit = event is not None and event.header is not None and event.header["basis"] != AS_CORRECTED
    return (event is not None and event.kind not in ("held", "refused") and not is_audit, _loaded_with(event))


def _loaded_with(event: ReleaseEvent | None) -> int:
    return (token_of(event.generation) or 0) if event is not None else 0


def _list_headers(events: Sequence[ReleaseEvent]) -> dict[str, Header]:
    """The header of every generation that the log knows, as Redis held it."""
    found: Mapping[str, Any] = {event.generation: event.header for event in events if event.header is not None}
    return {generation: Header.from_json(canonical_json(header)) for generation, header in found.items()}


def _list_tokens(events: Sequence[ReleaseEvent]) -> dict[str, int]:
    """By generation, the token that it was last made live with."""
    tokens: dict[str, int] = {}
    for event in events:
        if event.kind in MADE_LIVE:
            tokens[event.generation] = max(event.token, tokens.get(event.generation, 0))
    return tokens


def _nothing(job: Job) -> RefusedError:
    return RefusedError(
        "there is nothing to republish",
        job=job.name,
        expected="a release in the release log",
        found="none",
        next_step=f"nightjar run {job.name} --partition D",
    )


def _lost(workspace: Workspace, job: Job, header: Header) -> DamagedError:
    return DamagedError(
        f"the scores of {header.generation}, which was live, are not in the lake any more",
        job=job.name,
        partition=header.partition,
        expected=f"{workspace.lake.url(f'stages/{job.name}/{SCORE_STAGE}')} as its manifest names it",
        found="no such output",
        next_step=f"score the partition again: nightjar run {job.name} --partition {header.partition}",
    )
