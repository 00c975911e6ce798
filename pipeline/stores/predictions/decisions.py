"""What people decided about generations, as Redis keeps it: pins, and rejections of what was rolled back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from pipeline.digests import canonical_json
from pipeline.errors import BadInputError


@dataclass(frozen=True)
class Decision:
    """Who decided, why and when; ``at`` is RFC 3339 in UTC."""

    who: str
    why: str
    at: str

    @classmethod
    def make(cls, job: str, who: str, why: str, now: datetime) -> Self:
        """A decision of this moment.

        Raises:
            BadInputError: nobody is named, or no reason is given.
        """
        if not who.strip() or not why.strip():
            raise BadInputError(
                "nobody would know later why this was done",
                job=job,
                expected="a name and a reason",
                found=f"who {who!r}, why {why!r}",
                next_step="say who decides this, and why",
            )
        return cls(who=who, why=why, at=now.astimezone(UTC).isoformat())

    def to_json(self) -> str:
        """Canonical JSON text."""
        return canonical_json(vars(self))


@dataclass(frozen=True)
class Rejection(Decision):
    """A release that was rolled back: ``generation`` of ``partition``."""

    generation: str
    partition: str

    def to_json(self) -> str:
        """The text that a rollback writes, which puts the generation first."""
        named = canonical_json({"generation": self.generation, "partition": self.partition})
        return f"{named[:-1]},{Decision(self.who, self.why, self.at).to_json()[1:]}"

    @classmethod
    def from_json(cls, text: str) -> Rejection:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Pin(Decision):
    """A generation that must be kept until somebody takes the pin out."""

    @classmethod
    def from_json(cls, text: str) -> Pin:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(text))
