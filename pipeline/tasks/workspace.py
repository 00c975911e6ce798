"""The workspace: every store that tasks work with, opened from the settings.

The stores of tables, models and predictions are imported when they are first opened: a rollback does not wait for the
libraries of the first, nor a process that only works on shards for that of the last.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.job import Job
from pipeline.settings import Settings
from pipeline.stores.acceptances import Acceptances
from pipeline.stores.alert_log import AlertLog
from pipeline.stores.experiments import Experiments
from pipeline.stores.lake import Lake
from pipeline.stores.ledger import Ledger
from pipeline.stores.model_cards import ModelCards
from pipeline.stores.monitoring import MonitoringRecords
from pipeline.stores.signatures import SigningKeys
from pipeline.tasks.clocks import find_wall, move_clock, now_utc
from pipeline.tasks.memory import memory_of

if TYPE_CHECKING:
    from pipeline.stores.compiled_models import CompiledModels
    from pipeline.stores.deliveries import Deliveries
    from pipeline.stores.models import Models
    from pipeline.stores.predictions import PredictionStore
    from pipeline.stores.release_log import ReleaseLog
    from pipeline.stores.stage_outputs import StageOutputs
    from pipeline.stores.tiles import Tiles

Value = TypeVar("Value")

LIBRARIES = ("numpy", "pandas", "pyarrow")
"""Libraries whose version may change the bytes of a stage's output."""


def environment_of(*libraries: str) -> dict[str, str]:
    """Versions that an output depends on beside its inputs: Python's minor one and those of the libraries."""
    return {"python": _PYTHON, **{name: _version_of(name) for name in (*LIBRARIES, *libraries)}}


_PYTHON = ".".join(platform.python_version_tuple()[:2])
_version_of = cache(importlib.metadata.version)


@dataclass(frozen=True)
class Branch:
    """A policy of a replay: a model ledger beside production's.

    Attributes:
        replay: digest of what is replayed; days are what they were when it began.
        policy: name of the policy.
    """

    replay: str
    policy: str

    @property
    def folder(self) -> str:
        """Where it is kept, under the job's folder."""
        return f"replays/{self.replay}/{self.policy}"


@dataclass(frozen=True)
class Workspace:
    """Opened stores.  It can be sent to another process, which opens them again.

    Attributes:
        clock: by it partitions close and predictions age; ``NIGHTJAR_CLOCK`` moves it.
        known_by: look no further than this moment: what landed later did not, and who became champion later is not.
        branch: models are registered and promoted there, and not mirrored; None for production.
    """

    settings: Settings
    clock: Callable[[], datetime] = now_utc
    known_by: datetime | None = None
    branch: Branch | None = None

    @property
    def wall_clock(self) -> Callable[[], datetime]:
        """What stamps files, runs, decisions and what Redis holds: the time, whatever ``NIGHTJAR_CLOCK`` says."""
        return find_wall(self.clock)

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(self.settings.lake)

    @cached_property
    def deliveries(self) -> Deliveries:
        """What upstream has landed."""
        from pipeline.stores.deliveries import Deliveries  # noqa: PLC0415 - imports pandas or pyarrow

        return Deliveries(self.lake, self.known_by)

    @cached_property
    def predictions(self) -> PredictionStore:
        """The Redis that serves."""
        return self._open_predictions(self.settings.redis_url.get_secret_value())

    @cached_property
    def janitor(self) -> PredictionStore:
        """The same, with the rights to remove what was superseded and no others."""
        return self._open_predictions(self.settings.url_for_cleaning)

    def _open_predictions(self, url: str) -> PredictionStore:
        from pipeline.stores.predictions import PredictionStore  # noqa: PLC0415 - imports redis

        return PredictionStore(url, self.wall_clock)

    @cached_property
    def tiles(self) -> Tiles:
        """Daily aggregates of validated deliveries."""
        from pipeline.stores.tiles import Tiles  # noqa: PLC0415 - imports pandas or pyarrow

        return Tiles(self.lake)

    def outputs(self, job: Job) -> StageOutputs:
        """Outputs of the job's stages."""
        from pipeline.stores.stage_outputs import StageOutputs  # noqa: PLC0415 - imports pandas or pyarrow

        return self._outputs.setdefault(job.name, StageOutputs(self.lake, job.name))

    @cached_property
    def accepted(self) -> dict[tuple[str, str, str], Any]:
        """Deliveries that this process found accepted, by job, source and content: looking again costs milliseconds."""
        return {}

    @cached_property
    def _signing_keys(self) -> SigningKeys:
        return SigningKeys([key.get_secret_value() for key in self.settings.signing_keys])

    @cached_property
    def _outputs(self) -> dict[str, StageOutputs]:
        return {}

    def acceptances(self, job: Job) -> Acceptances:
        """What people have accepted of the job's deliveries."""
        return Acceptances(self.lake, job.name, self.known_by)

    def ledger(self, job: Job) -> Ledger:
        """The job's model ledger."""
        folder = "models" if self.branch is None else f"{self.branch.folder}/models"
        return Ledger(self.lake, job.name, self.wall_clock, self.known_by, folder)

    def release_log(self, job: Job) -> ReleaseLog:
        """What became of the job's generations."""
        from pipeline.stores.release_log import ReleaseLog  # noqa: PLC0415 - imports redis

        return ReleaseLog(self.lake, job.name, self.wall_clock)

    def monitoring(self, job: Job) -> MonitoringRecords:
        """What was seen of the job's nights."""
        folder = "" if self.branch is None else self.branch.folder
        return MonitoringRecords(self.lake, job.name, folder)

    def alert_log(self, job: Job) -> AlertLog:
        """What people were told of the job."""
        return AlertLog(self.lake, job.name, self.wall_clock)

    def models(self, job: Job) -> Models:
        """The job's model files."""
        from pipeline.stores.models import Models  # noqa: PLC0415 - imports pandas or pyarrow

        return Models(self.lake, job.name, self._signing_keys)

    def compiled(self, job: Job) -> CompiledModels:
        """The compiled trees of the job's models."""
        from pipeline.stores.compiled_models import CompiledModels  # noqa: PLC0415 - imports pandas and pyarrow

        return CompiledModels(self.lake, job.name, self._signing_keys)

    def cards(self, job: Job) -> ModelCards:
        """The cards of the job's models."""
        return ModelCards(self.lake, job.name)

    def experiments(self, job: Job) -> Experiments:
        """MLflow's mirror of the job's models."""
        uri = self.settings.mlflow_uri.get_secret_value() if self.branch is None else ""
        return Experiments(uri, job.name, self.lake.url, self.cards(job).read_mirrored)

    def as_known_by(self, moment: datetime) -> Workspace:
        """The same stores, as they were known at ``moment``: deliveries and the model ledger."""
        return replace(self, known_by=moment)

    def for_workers(self) -> Workspace:
        """The same stores, for a process that works on shards: it starts no others, and knows no secret of services."""
        return replace(self, settings=self.settings.for_workers())

    def remember(self, name: Hashable, make: Callable[[], Value]) -> Value:
        """What ``make`` gives; in a replay, what it gave before in this process under this name.

        A replay trains on the same days over and over; a night or a training of production reads each of them once.
        """
        if self.branch is None:
            return make()
        return memory_of(self.settings.lake, self.branch.replay).recall(name, make)

    def __reduce__(self) -> tuple[type[Workspace], tuple[Any, ...]]:
        return type(self), (self.settings, self.clock, self.known_by, self.branch)


def open_workspace(settings: Settings, clock: Callable[[], datetime] = now_utc) -> Workspace:
    """The workspace that the settings describe.  Nothing is connected to before it is used.

    Args:
        clock: the wall's, which ``NIGHTJAR_CLOCK`` moves.

    Raises:
        DeclarationError: ``NIGHTJAR_CLOCK`` is no time.
    """
    return Workspace(settings, move_clock(clock, settings.moved_clock))
