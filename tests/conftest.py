"""A real Redis and a workspace of the test's own, for tests of any folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from pydantic import SecretStr

from pipeline.settings import Settings
from pipeline.trees.build import build_kernel
from tests.clock import Clock
from tests.mail_server import MailServer, run_mail_server
from tests.stores.predictions.certificates import make_certificates
from tests.stores.predictions.server import RedisServer
from tests.webhook import Webhook, run_webhook

if TYPE_CHECKING:
    from pipeline.tasks import Workspace
    from tests.object_store import ObjectStore

StartRedis = Callable[..., RedisServer]

# How long an example takes says more of what else the machine is doing than of the code.
hypothesis.settings.register_profile("nightjar", deadline=None)
hypothesis.settings.load_profile("nightjar")


LONGEST = (
    "tests/local/test_demo.py",
    "tests/tasks/test_replaying.py",
    "tests/local/test_airflow_services.py",
    "tests/security/test_canary.py",
    "tests/trials/test_faults.py",
    "tests/tasks/test_compiled_scoring.py",
    "tests/tasks/test_shadowing.py",
    "tests/tasks/test_killed_promotion.py",
    "tests/stores/proving/test_proof.py",
)
"""Files that take a minute or more each: begun first, so that no worker is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.location[0], len(ranks)))


@pytest.fixture(scope="session")
def _session_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("session-redis"))
    yield server
    server.stop()


@pytest.fixture
def redis_url(_session_redis: RedisServer) -> str:
    """An empty Redis with its default settings; tests that change or stop one use ``start_redis``."""
    _session_redis.client.flushall()
    return _session_redis.url


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[StartRedis]:
    """Start a Redis of the test's own, with options."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        folder = tmp_path / f"own-redis-{len(servers)}"
        folder.mkdir()
        servers.append(RedisServer(folder, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def kernel() -> Path:
    """The kernel of compiled trees, which set-up has built where there is a C compiler."""
    return build_kernel()


@pytest.fixture(scope="session")
def _session_object_store() -> Iterator[ObjectStore]:
    from tests.object_store import ObjectStore  # noqa: PLC0415 - imports AWS's library, which few folders need

    store = ObjectStore()
    yield store
    store.stop()


@pytest.fixture
def object_store(_session_object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An object store with one empty bucket, which the environment leads to."""
    from s3fs import S3FileSystem  # noqa: PLC0415 - likewise

    _session_object_store.reset()
    for name, value in _session_object_store.variables.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # which would go on with the environment of the test before
    return _session_object_store


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A real web server that alerts are posted to."""
    with run_webhook() as server:
        yield server


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of an authority that nobody trusts but who is told to."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def mail_server(certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A real mail server that asks for STARTTLS and a login, and whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["ca"]))
    with run_mail_server(certificates) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """Noon of 2024-03-10 in UTC."""
    return Clock(datetime(2024, 3, 10, 12, tzinfo=UTC))


@pytest.fixture
def settings(tmp_path: Path, redis_url: str) -> Settings:
    """A home and a lake of the test's own; everything is done in this process."""
    return make_settings(tmp_path / "home", redis_url)


@pytest.fixture
def workspace(settings: Settings, clock: Clock) -> Iterator[Workspace]:
    """An empty workspace."""
    from pipeline.tasks import open_workspace  # noqa: PLC0415 - imports every store, which few folders need

    workspace = open_workspace(settings, clock)
    yield workspace
    workspace.predictions.close()


def make_settings(home: Path, redis_url: str) -> Settings:
    """Settings as a test wants them: nothing outside of ``home``, no MLflow, no second process."""
    return Settings(
        home=home,
        lake=str(home / "lake"),
        redis_url=SecretStr(redis_url),
        embedded_redis=False,
        jobs=("tests.meter_readings.job",),
        mlflow_uri=SecretStr(""),
        parallel="inline",
        alert_webhook=SecretStr(""),
    )
