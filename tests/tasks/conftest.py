"""Lakes that were prepared once, copied for every test, so that each may do to its own what it likes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.settings import Settings
from pipeline.tasks import Workspace, open_workspace, snapshot
from tests.clock import Clock
from tests.conftest import make_settings
from tests.meter_readings.job import JOB
from tests.meter_readings.named_job import JOB as NAMED
from tests.meter_readings.upstream import MeterUpstream, NamedMeterUpstream
from tests.stores.predictions.server import RedisServer
from tests.tasks.kept import Kept, keep, open_kept, share_home
from tests.tasks.nights import (
    LIVE,
    NEXT,
    TRAINED_ON,
    land_days,
    read_live,
    read_scores,
    run_night,
    run_until_scored,
    train_model,
)

NO_REDIS = "redis://127.0.0.1:1/0"
PREPARED_AT = datetime(2024, 3, 9, 12, tzinfo=UTC)
NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)
"""When every test begins."""

Prepare = Callable[[Kept, Callable[[Workspace], object]], Kept]
Reopen = Callable[[Kept], Workspace]


@pytest.fixture
def job() -> Job:
    """The second job."""
    return JOB


@pytest.fixture(scope="session")
def landed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose lake has the deliveries of 17 days."""
    return share_home(tmp_path_factory, "landed", lambda home: land(home, MeterUpstream()))


@pytest.fixture(scope="session")
def validated_home(landed_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with what a training as of 2024-03-02 reads: validated deliveries and features."""

    def validate(home: Path) -> None:
        shutil.copytree(landed_home, home)
        snapshot(open_workspace(make_settings(home, NO_REDIS), Clock(PREPARED_AT)), JOB, TRAINED_ON, "validation")

    return share_home(tmp_path_factory, "validated", validate)


@pytest.fixture(scope="session")
def trained_home(validated_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a champion that holds from 2024-03-03 on."""
    return share_home(tmp_path_factory, "trained", lambda home: train(validated_home, home, JOB))


@pytest.fixture(scope="session")
def scored_home(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the night of 2024-03-03 done, but for its publication."""

    def score(home: Path) -> None:
        shutil.copytree(trained_home, home)
        run_until_scored(open_workspace(make_settings(home, NO_REDIS), Clock(PREPARED_AT)), JOB, LIVE)

    return share_home(tmp_path_factory, "scored", score)


@pytest.fixture(scope="session")
def named_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deliveries and a champion of the job whose ids are names."""
    landed = share_home(tmp_path_factory, "named-landed", lambda home: land(home, NamedMeterUpstream()))
    return share_home(tmp_path_factory, "named", lambda home: train(landed, home, NAMED))


@pytest.fixture
def landed(landed_home: Path, settings: Settings, clock: Clock) -> Iterator[Workspace]:
    """A workspace with deliveries and no champion."""
    yield from copy_home(landed_home, settings, clock)


@pytest.fixture
def validated(validated_home: Path, settings: Settings, clock: Clock) -> Iterator[Workspace]:
    """A workspace without a champion, whose trainings find deliveries validated."""
    yield from copy_home(validated_home, settings, clock)


@pytest.fixture
def trained(trained_home: Path, settings: Settings, clock: Clock) -> Iterator[Workspace]:
    """A workspace with deliveries and a champion."""
    yield from copy_home(trained_home, settings, clock)


@pytest.fixture
def named(named_home: Path, settings: Settings, clock: Clock) -> Iterator[Workspace]:
    """Likewise, for the job whose ids are names."""
    yield from copy_home(named_home, settings, clock)


@dataclass(frozen=True)
class Served:
    """A workspace whose first night is live, and what readers see of it.

    Attributes:
        first: the summaries of the night, by stage.
        predictions: entity id to prediction.
    """

    workspace: Workspace
    job: Job
    first: dict[str, Any]
    predictions: dict[str, float]

    def check_refused(self, error: NightjarError, partition: str = NEXT) -> None:
        """The error tells an operator everything, and the first night is served as before."""
        assert (error.job, error.partition) == (self.job.name, partition)
        assert error.expected
        assert error.found
        assert error.next_step
        self.check_still_served()

    def check_still_served(self) -> None:
        """The first night is live, and every reader gets its very predictions."""
        live = self.workspace.predictions.live(self.job.name)
        assert live is not None
        assert live.generation == self.first["publish"]["generation"]
        assert read_live(self.workspace, self.job, list(self.predictions)) == self.predictions


PrepareServed = Callable[[Callable[[Served], object]], Kept]
ReopenServed = Callable[[Kept], Served]


@pytest.fixture(scope="session")
def prepare(_session_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Prepare:
    """Do something in a workspace that was kept, and keep it as it is then."""

    def do(kept: Kept, work: Callable[[Workspace], object]) -> Kept:
        _session_redis.client.flushall()
        settings = make_settings(tmp_path_factory.mktemp("prepared") / "home", _session_redis.url)
        with open_kept(kept, settings, Clock(kept.now)) as workspace:
            return keep(workspace, work(workspace))

    return do


@pytest.fixture
def reopen(settings: Settings, clock: Clock) -> Iterator[Reopen]:
    """Open a copy of a workspace that was kept."""
    with ExitStack() as stack:
        yield lambda kept: stack.enter_context(open_kept(kept, settings, clock))


@pytest.fixture(scope="session")
def kept_later(trained_home: Path, prepare: Prepare) -> Kept:
    """A champion, and what a training as of 2024-03-04 reads: validated deliveries and features."""
    return prepare(Kept(trained_home, NOON), lambda workspace: snapshot(workspace, JOB, NEXT, "validation"))


@pytest.fixture(scope="session")
def kept_served(scored_home: Path, prepare: Prepare) -> Kept:
    """The night of 2024-03-03 is live."""
    return prepare(Kept(scored_home, NOON), lambda workspace: serve(workspace, JOB))


@pytest.fixture(scope="session")
def prepare_served(kept_served: Kept, prepare: Prepare) -> PrepareServed:
    """Do something more once that night is live, and keep it as it is then."""

    def do(work: Callable[[Served], object]) -> Kept:
        done = prepare(kept_served, lambda workspace: work(replace(kept_served.made, workspace=workspace)))
        return replace(done, made=kept_served.made)

    return do


@pytest.fixture
def reopen_served(reopen: Reopen) -> ReopenServed:
    """Open a copy of such a workspace."""
    return lambda kept: replace(kept.made, workspace=reopen(kept))


@pytest.fixture
def served(kept_served: Kept, reopen_served: ReopenServed, job: Job) -> Served:
    """The night of 2024-03-03 is live."""
    return replace(reopen_served(kept_served), job=job)


@pytest.fixture
def served_names(named: Workspace) -> Served:
    """Likewise, of the job whose ids are names."""
    return serve(named, NAMED)


@pytest.fixture
def open_copy(tmp_path: Path, redis_url: str, clock: Clock) -> Callable[[Path], Workspace]:
    """Open another workspace on a copy of a home."""

    def open_it(home: Path) -> Workspace:
        copied = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(home, copied)
        return open_workspace(make_settings(copied, redis_url), clock)

    return open_it


def land(home: Path, upstream: MeterUpstream) -> Path:
    land_days(str(home / "lake"), upstream)
    return home


def train(landed: Path, home: Path, job: Job) -> Path:
    shutil.copytree(landed, home)
    train_model(open_workspace(make_settings(home, NO_REDIS), Clock(PREPARED_AT)), job)
    return home


def copy_home(home: Path, settings: Settings, clock: Clock) -> Iterator[Workspace]:
    shutil.copytree(home, settings.home)
    workspace = open_workspace(settings, clock)
    yield workspace
    workspace.predictions.close()


def serve(workspace: Workspace, job: Job) -> Served:
    first = run_night(workspace, job, LIVE)
    assert first["publish"]["result"] == "live"
    return Served(workspace, job, first, read_scores(workspace, job, first["score"]))
