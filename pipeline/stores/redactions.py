"""Redactions: files of the lake that were written anew without the rows of an entity that was erased.

What lies in the lake is named by its digest and never changes, so an erasure leaves the marker or the manifest of a
folder as it is and puts a record beside it:

    <folder>/_redactions.json      by the file's name in the marker: name, rows and digest of what is there instead

Whoever reads the folder takes the file that the record names, and checks it against the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.digests import digest_bytes
from pipeline.errors import DamagedError
from pipeline.stores.lake import Lake

RECORD = "_redactions.json"


class RedactedFile(BaseModel):
    """What is there instead of a file.

    Attributes:
        erased: rows that were taken out of it, over all erasures.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    erased: int = Field(ge=1)


class Redacted(NamedTuple):
    """A file without the rows of an entity.

    Attributes:
        rows: that are left in it.
        erased: rows that were taken out.
    """

    content: bytes
    rows: int
    erased: int


Redactions = dict[str, RedactedFile]
"""By the name that the marker or manifest gives a file."""

_RECORD = TypeAdapter(Redactions)


def read_redactions(lake: Lake, folder: str) -> Redactions:
    """The redactions of a folder; empty if there are none.

    Raises:
        DamagedError: the record cannot be read.
    """
    path = f"{folder}/{RECORD}"
    try:
        return _RECORD.validate_python(lake.read_json(path))
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise DamagedError(
            "the record of an erasure is damaged",
            expected=f"redacted files by name at {lake.url(path)}",
            found=f"{error.error_count()} fields that are none",
            next_step="restore that file from a backup of the lake",
        ) from error


def redact_files(lake: Lake, folder: str, redacted: Mapping[str, Redacted]) -> None:
    """Put files in the place of others, and remove those.

    The record is written between the two, so that an erasure that breaks is repeated and finds the rest.

    Args:
        redacted: by the name that the marker or manifest gives a file.
    """
    before = read_redactions(lake, folder)
    after = dict(before)
    for name, file in redacted.items():
        sha256 = digest_bytes(file.content)
        after[name] = RedactedFile(
            name=f"redacted-{sha256[:16]}-{name}",
            rows=file.rows,
            bytes=len(file.content),
            sha256=sha256,
            erased=file.erased + (before[name].erased if name in before else 0),
        )
        lake.replace(f"{folder}/{after[name].name}", file.content)
    lake.replace_json(f"{folder}/{RECORD}", {name: file.model_dump() for name, file in after.items()})
    for name in redacted:
        lake.remove(f"{folder}/{before[name].name if name in before else name}")
