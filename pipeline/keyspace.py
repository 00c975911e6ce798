"""Version 1 of the Redis contract: what publishers and readers must agree on.

``docs/redis-contract.md`` describes the same for readers in other languages.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pipeline.digests import canonical_json
from pipeline.errors import BadInputError, DamagedError

CONTRACT = 1
ENTRIES_PER_BUCKET = 64
MAX_ENTITY_ID_BYTES = 64
MAX_PREDICTION_BYTES = 64
MAX_REASONS = 1000
"""Entities of a generation that have reasons, at most."""
MAX_REASONS_BYTES = 512
MAX_REASON_BUCKETS = MAX_REASONS // ENTRIES_PER_BUCKET
MAX_TOKEN = 2**53 - 1
ERASED = ""
"""Field of a bucket whose last entity was erased, so that the bucket is there still; no entity id is empty."""

# Below this mean the chance that some bucket stays empty by accident is no longer negligible (exp(-48) is 1e-21).
_ENOUGH_ENTRIES_A_BUCKET = 48

Basis = Literal["as_corrected", "as_known_then"]
"""What a run worked on: today's deliveries and champion, or those that the night itself had, which is never live."""

_GENERATION = re.compile(r"(?P<token>[1-9][0-9]{0,15})-[0-9a-f]{4}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class State(StrEnum):
    """Where a generation is in its life."""

    LOADING = "loading"
    VERIFIED = "verified"
    LIVE = "live"
    RETIRED = "retired"
    REJECTED = "rejected"


def _control_key(job: str, name: str) -> str:
    return f"nightjar:{{{job}}}:{name}"


def live_key(job: str) -> str:
    """Hash: ``token``, ``generation`` and ``header`` of what readers see."""
    return _control_key(job, "live")


def headers_key(job: str) -> str:
    """Hash: generation to header."""
    return _control_key(job, "headers")


def states_key(job: str) -> str:
    """Hash: generation to :class:`State`."""
    return _control_key(job, "states")


def partitions_key(job: str) -> str:
    """Hash: partition to its newest generation that was published and is still kept."""
    return _control_key(job, "partitions")


def token_key(job: str) -> str:
    """Integer: the last fencing token given out."""
    return _control_key(job, "token")


def loads_key(job: str) -> str:
    """Hash, for publishers: generation to what was begun (partition, rows, buckets, when), as JSON."""
    return _control_key(job, "loads")


def ended_key(job: str) -> str:
    """Hash, for publishers: generation to the Unix seconds at which it was retired or rejected."""
    return _control_key(job, "ended")


def released_key(job: str) -> str:
    """Hash, for publishers: generation to the token that it was last made live or kept with; ``''`` to a rollback's."""
    return _control_key(job, "released")


def rejected_key(job: str) -> str:
    """Hash, for publishers: digest of the inputs of what was rolled back to who did so, why and when, as JSON."""
    return _control_key(job, "rejected")


def pins_key(job: str) -> str:
    """Hash, for publishers: generation that must be kept to who wants it, why and since when, as JSON."""
    return _control_key(job, "pins")


def erasing_key(job: str) -> str:
    """Hash, for publishers: generation to the entity that is being erased from it and not counted out yet."""
    return _control_key(job, "erasing")


def bucket_key(job: str, generation: str, bucket: int) -> str:
    """Hash: entity id to prediction."""
    return f"nightjar:{job}:{generation}:{bucket}"


def prior_key(job: str, generation: str) -> str:
    """Hash: segment to the prediction for entities that are not in the population; the field '' for all segments."""
    return f"nightjar:{job}:{generation}:prior"


def reasons_key(job: str, generation: str, bucket: int) -> str:
    """Hash: entity id to the reasons of its prediction, where it has some."""
    return f"nightjar:{job}:{generation}:reasons:{bucket}"


def generation_name(token: int, suffix: str) -> str:
    """Such as ``42-9f3a``; the suffix is four random hexadecimal digits."""
    return f"{token}-{suffix}"


def token_of(generation: str) -> int | None:
    """The token in a generation's name; None if ``generation`` is not a generation's name."""
    match = _GENERATION.fullmatch(generation)
    return int(match["token"]) if match else None


def crc32_of(entity_id: str) -> int:
    """CRC-32 (zlib's) of the UTF-8 bytes of ``entity_id``."""
    return zlib.crc32(entity_id.encode())


def bucket_of(entity_id: str, buckets: int) -> int:
    """The bucket that holds ``entity_id``."""
    return crc32_of(entity_id) % buckets


def shard_of(entity_id: str, shards: int) -> int:
    """The shard that ``entity_id`` belongs to."""
    return crc32_of(entity_id) % shards


def choose_buckets(rows: int, shards: int) -> int | None:
    """How many buckets ``rows`` entities get: a multiple of ``shards``, with about 64 entries a bucket.

    None if ``rows`` are too few for that many buckets to be filled for certain; their number is then found from the
    ids themselves, see :func:`choose_buckets_for`.

    The multiple is odd: CRC-32 is linear in the bits of an id, so that for numbered ids the remainders of a power of
    two would be spread less evenly.
    """
    if rows < _ENOUGH_ENTRIES_A_BUCKET * shards:
        return None
    wanted = rows / (ENTRIES_PER_BUCKET * shards)
    return shards * max(1, 2 * round((wanted - 1) / 2) + 1)


def choose_buckets_for(checksums: Iterable[int]) -> int:
    """The largest number of buckets, with 64 entries or more in the mean, that leaves none of them empty.

    ``checksums`` are the CRC-32 of all ids.
    """
    distinct = list(checksums)
    for buckets in range(max(1, len(distinct) // ENTRIES_PER_BUCKET), 1, -1):
        if len({checksum % buckets for checksum in distinct}) == buckets:
            return buckets
    return 1


def check_entity_id(entity_id: str) -> None:
    """Raise :class:`BadInputError` unless ``entity_id`` is 1 to 64 bytes of UTF-8 without control characters."""
    try:
        size = len(entity_id.encode())
    except UnicodeEncodeError:
        size = -1
    if 1 <= size <= MAX_ENTITY_ID_BYTES and not _CONTROL.search(entity_id):
        return
    found = "a lone surrogate" if size < 0 else "a control character" if _CONTROL.search(entity_id) else f"{size} bytes"
    raise BadInputError(
        "this cannot be an entity id",
        expected=f"1 to {MAX_ENTITY_ID_BYTES} bytes of UTF-8 without control characters",
        found=found,
        next_step="correct the id where it comes from",
    )


@dataclass(frozen=True)
class Header:
    """What readers are told about a generation; written once, and changed only in ``rows``, by an erasure.

    Attributes:
        contract: version of the Redis contract.
        cutoff: when the partition closed; predictions are as old as that.
        model_version: version of the model, as in the ledger.
        feature_set: name, version and hash of the feature set.
        rows: entities in the generation.
        buckets: hashes that they are spread over.
        columns: names of the parts of a prediction; one name for a scalar.
        published_at: when the generation was sealed.
        max_age_seconds: age beyond which readers call the predictions stale; None for no limit.
        manifest: digest of the release manifest.
        inputs: digest of what the predictions were made of; empty if that is not known.
        basis: whether they were made from what is known today, or only from what that night knew.
        priors: entries of the generation's hash of priors; 0 if it has none.
        prior_segment: column whose values are the segments of the priors; None if there is but the global one.
        caveats: what readers are to be told, such as that somebody accepted a bad delivery.
        reason_buckets: hashes that the reasons are spread over; 0 if the generation has none.
    """

    job: str
    generation: str
    partition: str
    cutoff: datetime
    model_version: str
    feature_set: str
    rows: int
    buckets: int
    columns: tuple[str, ...]
    published_at: datetime
    max_age_seconds: int | None
    manifest: str
    contract: int = CONTRACT
    inputs: str = ""
    basis: Basis = "as_corrected"
    priors: int = 0
    prior_segment: str | None = None
    caveats: tuple[str, ...] = ()
    reason_buckets: int = 0

    @property
    def token(self) -> int:
        """The fencing token that the generation was loaded with."""
        return int(self.generation.split("-")[0])

    def to_json_object(self) -> dict[str, Any]:
        """As a JSON object; times are RFC 3339 in UTC."""
        values = asdict(self) | {"columns": list(self.columns), "caveats": list(self.caveats)}
        return {name: _format_time(value) if isinstance(value, datetime) else value for name, value in values.items()}

    def to_json(self) -> str:
        """As canonical JSON text."""
        return canonical_json(self.to_json_object())

    @classmethod
    def from_json(cls, text: str) -> Header:
        """Read a header; fields that this version does not know are ignored, and later ones may be missing.

        Raises:
            DamagedError: it is no header of this version of the contract.
        """
        try:
            parts = json.loads(text)
            contract = parts["contract"]
            if contract == CONTRACT:
                return cls._from_parts(parts)
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                "a header in Redis cannot be read",
                expected=f"a JSON object with the fields of contract {CONTRACT}",
                found=f"{type(error).__name__}: {error}",
                next_step="publish the partition again",
            ) from error
        raise DamagedError(
            "a header in Redis follows another version of the contract",
            expected=f"contract {CONTRACT}",
            found=f"contract {contract!r}",
            next_step="update this reader",
        )

    @classmethod
    def _from_parts(cls, parts: Mapping[str, Any]) -> Header:
        values = {
            field.name: parts[field.name] if field.default is MISSING else parts.get(field.name, field.default)
            for field in fields(cls)
        }
        header = cls(
            **values
            | {
                "cutoff": datetime.fromisoformat(values["cutoff"]),
                "published_at": datetime.fromisoformat(values["published_at"]),
                "columns": tuple(values["columns"]),
                "caveats": tuple(values["caveats"]),
            }
        )
        if token_of(header.generation) is None or header.buckets < 1 or header.rows < 0:
            raise ValueError(f"generation {header.generation!r}, {header.buckets} buckets, {header.rows} rows")
        return header


def _format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, such as ``2013-04-02T08:00:00Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
