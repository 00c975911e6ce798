"""The reasons of a generation: a few small hashes for the entities whose predictions were explained."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pipeline.errors import BadInputError
from pipeline.keyspace import (
    ERASED,
    MAX_REASONS,
    MAX_REASONS_BYTES,
    bucket_of,
    check_entity_id,
    choose_buckets_for,
    crc32_of,
)


def encode_reasons(reasons: Mapping[str, str], buckets: int | None = None) -> list[dict[str, str]]:
    """The hashes of reasons, by number of their bucket: entity id to JSON text.

    Args:
        reasons: JSON arrays of ``[feature, contribution]`` by entity id; at most 1000, of at most 512 bytes each.
        buckets: how many hashes there were, of a generation that comes back; its hashes may have been emptied by
            erasures since.  None chooses as many as leave none empty.

    Raises:
        BadInputError: they are too many or too long, are no such arrays, or an id cannot be an entity id.
    """
    if len(reasons) > MAX_REASONS:
        raise _bad_reasons(f"those of at most {MAX_REASONS} entities", f"{len(reasons)}")
    for entity_id, text in reasons.items():
        check_entity_id(entity_id)
        _check_text(text)
    count = buckets or choose_buckets_for(map(crc32_of, reasons))
    hashes: list[dict[str, str]] = [{} for _ in range(count)]
    for entity_id, text in reasons.items():
        hashes[bucket_of(entity_id, count)][entity_id] = text
    return [entries or {ERASED: "null"} for entries in hashes]


def _check_text(text: str) -> None:
    size = len(text.encode())
    if size > MAX_REASONS_BYTES:
        raise _bad_reasons(f"at most {MAX_REASONS_BYTES} bytes each", f"{size}")
    try:
        pairs = [(str(feature), float(contribution)) for feature, contribution in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise _bad_reasons("a JSON array of features and their contributions", type(error).__name__) from error
    if not all(abs(contribution) < float("inf") for _, contribution in pairs):
        raise _bad_reasons("finite contributions", "others")


def _bad_reasons(expected: str, found: str) -> BadInputError:
    return BadInputError(
        "reasons cannot be published",
        expected=expected,
        found=found,
        next_step="score the partition again, then publish",
    )
