"""What a reader answers for an entity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pipeline.keyspace import Header

Source = Literal["fresh", "stale", "prior", "missing"]
Explained = Literal["explained", "not_among_highest", "none_made", "not_in_population"]


@dataclass(frozen=True)
class Prediction:
    """The answer for one entity.

    Attributes:
        value: a number, string or boolean, or a list in the order of ``columns``; None if it is missing.
        source: ``fresh``; ``stale``, older than the job allows; ``prior``, what holds for the entity's segment, since
            the entity is not in the population; or ``missing``, not in the population of a job without priors.
        model_version: the model that made it.
        cutoff: when its partition closed.
        age: now minus the cutoff.
        caveats: what its publishers want readers to know, such as that somebody accepted a bad delivery.
    """

    entity_id: str
    value: Any
    source: Source
    model_version: str
    partition: str
    generation: str
    cutoff: datetime
    age: timedelta
    columns: tuple[str, ...]
    caveats: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether there is a value: a prediction or a prior."""
        return self.source != "missing"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; times in RFC 3339, the age in seconds."""
        return vars(self) | {
            "cutoff": self.cutoff.astimezone(UTC).isoformat(),
            "age": self.age.total_seconds(),
            "columns": list(self.columns),
            "caveats": list(self.caveats),
            "found": self.found,
        }


@dataclass(frozen=True)
class Reasons:
    """Why the prediction of one entity is what it is.

    Attributes:
        state: ``explained``; ``not_among_highest``, since only the night's highest predictions have reasons;
            ``none_made``, since nothing of its generation was explained; or ``not_in_population``.
        reasons: features and what each adds to the prediction or takes from it, in its unit; the largest first.
    """

    prediction: Prediction
    state: Explained
    reasons: tuple[tuple[str, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The prediction's fields and the others in one JSON object."""
        return self.prediction.to_json() | {"explained": self.state, "reasons": [list(pair) for pair in self.reasons]}


def is_stale(header: Header, age: timedelta) -> bool:
    """Whether predictions of this age are older than their job allows."""
    return header.max_age_seconds is not None and age.total_seconds() > header.max_age_seconds
