"""Reports of erasures, which tell everything but the id: a salted hash stands in its place.

    jobs/<job>/erasures/000001.json, 000002.json, …

Append-only, see :mod:`pipeline.stores.event_log`.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from pipeline.stores.event_log import EventLog, NumberedEvent
from pipeline.stores.lake import Lake

_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


class ErasureReport(NumberedEvent):
    """What one erasure did.

    Attributes:
        entity: salted hash of the id.
        at: RFC 3339, UTC.
        found: what was erased: objects with ``what``, ``where`` and ``rows``.
        left: what was there afterwards all the same, likewise.
        unread: files that could not be searched.
        not_touched: what an erasure does not change, in words.
        other_jobs: jobs that share sources with this one.
        erased_before: when, and by whom.
    """

    job: str
    entity: dict[str, str]
    who: str
    why: str
    at: str
    found: list[dict[str, Any]]
    left: list[dict[str, Any]]
    unread: list[str]
    not_touched: list[str]
    other_jobs: list[str]
    erased_before: list[dict[str, str]]

    def is_of(self, entity_id: str) -> bool:
        """Whether this entity was erased."""
        return _scrypt(entity_id, bytes.fromhex(self.entity["salt"])) == self.entity["scrypt"]


def open_erasure_reports(lake: Lake, job: str) -> EventLog[ErasureReport]:
    """The reports of one job."""
    return EventLog(lake, job, f"jobs/{job}/erasures", "list of erasures", ErasureReport)


def hash_id(entity_id: str) -> dict[str, str]:
    """An id as a report names it: with a new salt every time."""
    salt = secrets.token_bytes(16)
    return {"salt": salt.hex(), "scrypt": _scrypt(entity_id, salt)}


def _scrypt(entity_id: str, salt: bytes) -> str:
    return hashlib.scrypt(entity_id.encode(), salt=salt, **_SCRYPT).hex()
