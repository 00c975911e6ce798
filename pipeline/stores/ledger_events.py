"""What the model ledger holds, and what follows from it: pure values, no storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline.stores.event_log import NumberedEvent

Kind = Literal["registered", "refused", "shadowed", "promoted", "demoted", "rejected"]
"""A challenger is refused by the gate, and rejected by whoever decides: a person, a time-out, its shadow nights."""
Parameter = str | int | float | bool | None

NEWEST = "9999-12-31"
"""A partition after every other: what holds from the newest promotion on."""


class Registration(BaseModel):
    """What a model version is made of; written once, when it is registered.

    Attributes:
        partition: the newest partition that the training saw.
        trained_through: the newest partition whose rows it was fitted to; None for models of versions that did not say.
        model_digest: SHA-256 of the model's file.
        metadata_digest: SHA-256 of the file beside it, which says for what the model is used.
        artifact_path: where the model's file is in the lake.
        dataset_version: digest of the list of deliveries it was trained on.
        metrics: of the model on the holdout, when it was registered.
        parameters: settings of the training and of the estimator.
        code_version: version of the code that trained it.
        library_versions: by distribution, such as ``scikit-learn``.
    """

    model_config = ConfigDict(frozen=True)

    partition: str
    model_digest: str
    metadata_digest: str
    artifact_path: str
    feature_set_name: str
    feature_set_version: int
    feature_set_digest: str
    dataset_version: str
    metrics: dict[str, float]
    parameters: dict[str, Parameter]
    code_version: str
    library_versions: dict[str, str]
    trained_through: str | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """How a version is recognised: the same model for another feature set is another version."""
        return self.model_digest, self.metadata_digest


class Event(NumberedEvent):
    """One line of the ledger; never changed.

    Attributes:
        model_version: ``"1"``, ``"2"``, … in the order of registration.
        at: UTC, ISO 8601.
        who: the person or run that did it.
        holds_from: the first partition that it counts for; all but registrations and rejections.
        until: the last one; shadows only.
        champion_before, champion_after: versions that are champion for ``holds_from``; None for nobody.
        registration: registrations only.
    """

    kind: Kind
    model_version: str
    at: str
    who: str
    why: str
    holds_from: str | None = None
    until: str | None = None
    champion_before: str | None = None
    champion_after: str | None = None
    registration: Registration | None = None


class ModelVersion(BaseModel):
    """A registered model."""

    model_config = ConfigDict(frozen=True)

    version: str
    registered_at: str
    registration: Registration


def list_versions(events: Sequence[Event]) -> list[ModelVersion]:
    """Every registered model, oldest first."""
    return [
        ModelVersion(version=event.model_version, registered_at=event.at, registration=event.registration)
        for event in events
        if event.registration is not None
    ]


def find_champion(events: Sequence[Event], partition: str = NEWEST) -> str | None:
    """Version that is champion for ``partition``; None if nothing was promoted for it.

    Of the promotions that hold for the partition and were not taken back for it, the one that holds from the newest
    partition counts, and of several for one partition the last.  So a model that was trained late for an old partition
    serves old nights, and does not push out the one that serves tonight; and a demotion restores what was there before.
    """
    standing = [
        (event.holds_from, event.number, event.model_version)
        for event in events
        if event.kind == "promoted"
        and event.holds_from is not None
        and event.holds_from <= partition
        and not _is_taken_back(event, events, partition)
    ]
    return max(standing)[-1] if standing else None


def find_standing(events: Sequence[Event], version: str) -> Event:
    """The last thing that happened to a registered version."""
    return next(event for event in reversed(events) if event.model_version == version)


def find_shadows(events: Sequence[Event]) -> list[Event]:
    """What began the shadow nights of every version of which nothing was decided since, oldest first."""
    return [
        event for event in events if event.kind == "shadowed" and find_standing(events, event.model_version) == event
    ]


def find_challenger(events: Sequence[Event]) -> str | None:
    """The newest registered version, if it still may become champion: neither promoted, refused nor rejected."""
    versions = list_versions(events)
    if not versions:
        return None
    newest = versions[-1].version
    is_decided = any(
        event.model_version == newest and event.kind in ("refused", "promoted", "rejected") for event in events
    )
    return None if is_decided else newest


def _is_taken_back(promotion: Event, events: Sequence[Event], partition: str) -> bool:
    return any(
        event.kind == "demoted"
        and event.model_version == promotion.model_version
        and event.number > promotion.number
        and event.holds_from is not None
        and event.holds_from <= partition
        for event in events
    )
