"""Acceptances: deliveries that were refused, or never came, and that a named person answers for.

    jobs/<job>/acceptances/<source>/<partition>/<digest of the delivery>.json, or missing.json

Append-only: an acceptance is put if absent and never changed, so whoever accepts the same a second time gets the first.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from pipeline.errors import DamagedError
from pipeline.stores.lake import Lake

MISSING = "missing"

Spoken = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")
]
"""What a person says: not empty, and one line, since it is shown in headers, logs and pages."""


class Acceptance(BaseModel):
    """One delivery, or the lack of one, taken as it is.

    Attributes:
        delivery: digest of the delivery; None for a partition that was never delivered.
        problem: why it would have been refused.
        at: when it was accepted.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    partition: str
    delivery: str | None
    problem: str
    who: Annotated[Spoken, StringConstraints(max_length=80)]
    why: Annotated[Spoken, StringConstraints(max_length=300)]
    at: AwareDatetime

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return self.model_dump(mode="json")

    def describe(self) -> str:
        """What readers of a release are told."""
        what = "never delivered" if self.delivery is None else f"delivery {self.delivery[:12]}"
        return f"{self.source} of {self.partition}: {what}, accepted by {self.who}: {self.why}"


class Acceptances:
    """The acceptances of one job.

    Args:
        known_by: what was accepted after this moment is not found.
    """

    def __init__(self, lake: Lake, job: str, known_by: datetime | None = None) -> None:
        self._lake = lake
        self._job = job
        self._known_by = known_by
        self._folder = f"jobs/{job}/acceptances"

    def find(self, source: str, partition: str, delivery: str | None) -> Acceptance | None:
        """The acceptance of a delivery, or of its absence where ``delivery`` is None; None if nobody accepted it.

        Raises:
            DamagedError: its record cannot be read.
        """
        path = self._path(source, partition, delivery)
        try:
            acceptance = Acceptance.model_validate(self._lake.read_json(path))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise self._damaged(
                path, partition, f"{error.error_count()} fields that are none of an acceptance"
            ) from error
        if (acceptance.source, acceptance.partition, acceptance.delivery) != (source, partition, delivery):
            raise self._damaged(path, partition, "the acceptance of something else")
        return acceptance if self._known_by is None or acceptance.at <= self._known_by else None

    def add(self, acceptance: Acceptance) -> tuple[Acceptance, bool]:
        """Record an acceptance; the one that holds, and whether it is this one: the first of a delivery stays."""
        named = (acceptance.source, acceptance.partition, acceptance.delivery)
        if self._lake.put_json_if_absent(self._path(*named), acceptance.to_json()):
            return acceptance, True
        found = self.find(*named)
        return found or acceptance, False

    def _path(self, source: str, partition: str, delivery: str | None) -> str:
        return f"{self._folder}/{source}/{partition}/{delivery or MISSING}.json"

    def _damaged(self, path: str, partition: str, found: str) -> DamagedError:
        return DamagedError(
            "the record of an acceptance is damaged",
            job=self._job,
            partition=partition,
            expected=f"an acceptance at {self._lake.url(path)}",
            found=found,
            next_step="restore that file from a backup of the lake",
        )
