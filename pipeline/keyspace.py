"""Version 1 of the Redis contract: what publishers and readers must agree on.

``docs/redis-contract.md`` describes the same for readers in other languages.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pipeline.digests import canonical_json
from pipeline.errors import BadInputError, DamagedError

CONTRACT = 1
ENTRIES_PER_BUCKET = 64
MAX_ENTITY_ID_BYTES = 64
MAX_PREDICTION_BYTES = 64
MAX_TOKEN = 2**53 - 1

# Below this mean the chance that some bucket stays empty by accident is no longer negligible (exp(-48) is 1e-21).
_ENOUGH_ENTRIES_A_BUCKET = 48

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
    """Hash: partition to its newest verified generation that is still kept."""
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


def bucket_key(job: str, generation: str, bucket: int) -> str:
    """Hash: entity id to prediction."""
    return f"nightjar:{job}:{generation}:{bucket}"


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
    """What readers are told about a generation; written once and never changed.

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

    @property
    def token(self) -> int:
        """The fencing token that the generation was loaded with."""
        return int(self.generation.split("-")[0])

    def to_json_object(self) -> dict[str, Any]:
        """As a JSON object; times are RFC 3339 in UTC."""
        values = asdict(self) | {"columns": list(self.columns)}
        return {name: _format_time(value) if isinstance(value, datetime) else value for name, value in values.items()}

    def to_json(self) -> str:
        """As canonical JSON text."""
        return canonical_json(self.to_json_object())

    @classmethod
    def from_json(cls, text: str) -> Header:
        """Read a header; fields that this version does not know are ignored.

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
        values = {field.name: parts[field.name] for field in fields(cls)}
        header = cls(
            **values
            | {
                "cutoff": datetime.fromisoformat(values["cutoff"]),
                "published_at": datetime.fromisoformat(values["published_at"]),
                "columns": tuple(values["columns"]),
            }
        )
        if token_of(header.generation) is None or header.buckets < 1 or header.rows < 1:
            raise ValueError(f"generation {header.generation!r}, {header.buckets} buckets, {header.rows} rows")
        return header


def _format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, such as ``2013-04-02T08:00:00Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def describe_address(connection: Mapping[str, Any]) -> str:
    """Where a Redis connection leads, for messages: never with its password."""
    if "path" in connection:
        return f"unix socket {connection['path']}"
    return f"{connection.get('host', 'localhost')}:{connection.get('port', 6379)}, database {connection.get('db', 0)}"
