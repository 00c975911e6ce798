"""Publishing and reading over TLS, with certificates on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.errors import UnavailableError
from pipeline.serving import AsyncReader, Reader, StoreUnavailable
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.certificates import make_certificates
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, make_predictions, publish
from tests.stores.predictions.server import RedisServer
from tests.stores.predictions.topologies import Cluster, ClusterNode


def name_files(paths: dict[str, Path]) -> str:
    """As options of a URL."""
    return f"ssl_ca_certs={paths['ca']}&ssl_certfile={paths['cert']}&ssl_keyfile={paths['key']}"


class _Tls(RedisServer):
    """A server that speaks nothing but TLS, and to nobody without a certificate."""

    certificates: dict[str, Path]

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0?{name_files(self.certificates)}"

    def list_arguments(self) -> list[str]:
        paths = self.certificates
        files = {"ca-cert": paths["ca"], "cert": paths["cert"], "key": paths["key"]}
        tls = [word for name, path in files.items() for word in (f"--tls-{name}-file", str(path))]
        return [*super().list_arguments(), "--port", "0", "--tls-port", str(self.port), *tls]


class TlsServer(_Tls):
    """One server."""

    def __init__(self, folder: Path) -> None:
        self.certificates = make_certificates(folder)
        super().__init__(folder)


class TlsNode(_Tls, ClusterNode):
    """A node of a cluster whose bus speaks TLS, too."""

    def __init__(self, certificates: dict[str, Path], folder: Path) -> None:
        self.certificates = certificates
        super().__init__(folder, "--tls-cluster", "yes")


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    server = TlsServer(tmp_path_factory.mktemp("tls"))
    yield server
    server.stop()


async def read_async(url: str, names: list[str]) -> dict[str, object]:
    reader = AsyncReader(url, JOB)
    answers = await reader.get_many(names)
    await reader.close()
    return {name: answer.value for name, answer in answers.items()}


def test_a_generation_is_published_and_read_over_tls(tls_server: TlsServer, clock: Clock) -> None:
    """Long enough for TLS to split what is sent and to hold back what it has decrypted."""
    predictions = make_predictions(100_000)
    publish(PredictionStore(tls_server.url, clock), predictions)
    reader = Reader(tls_server.url, JOB)
    assert {name: answer.value for name, answer in reader.get_many(predictions).items()} == predictions
    reader.close()
    names = list(predictions)[::100]
    assert asyncio.run(read_async(tls_server.url, names)) == {name: predictions[name] for name in names}


@pytest.mark.parametrize("wrong", ["no certificate", "another authority", "another host", "no tls"])
def test_nobody_talks_to_a_server_that_cannot_be_trusted(
    tls_server: TlsServer, clock: Clock, tmp_path: Path, wrong: str
) -> None:
    paths, place = tls_server.certificates, f"rediss://u:hush@127.0.0.1:{tls_server.port}/0"
    own = f"ssl_certfile={paths['cert']}&ssl_keyfile={paths['key']}"
    url = {
        "no certificate": f"{place}?ssl_ca_certs={paths['ca']}",
        "another authority": f"{place}?ssl_ca_certs={make_certificates(tmp_path)['ca']}&{own}",
        "another host": f"{place.replace('127.0.0.1', 'localhost')}?ssl_ca_certs={paths['ca']}&{own}",
        "no tls": place.replace("rediss", "redis"),
    }[wrong]
    with pytest.raises(UnavailableError, match="does not answer") as refused:
        PredictionStore(url, clock).live(JOB)
    assert "hush" not in str(refused.value)
    with pytest.raises(StoreUnavailable) as unread:
        Reader(url, JOB).get("parcel 1")
    assert "hush" not in str(unread.value)


def test_a_cluster_speaks_tls_to_every_master(tmp_path: Path, clock: Clock) -> None:
    certificates = make_certificates(tmp_path)
    cluster = Cluster(tmp_path, node=partial(TlsNode, certificates))
    try:
        url = f"rediss+cluster://{cluster.addresses}?{name_files(certificates)}"
        predictions = make_predictions(20_000)
        publish(PredictionStore(url, clock), predictions)
        names = list(predictions)[::50]
        assert asyncio.run(read_async(url, names)) == {name: predictions[name] for name in names}
        reader = Reader(url, JOB)
        assert reader.get("parcel 19999").value == predictions["parcel 19999"]
        reader.close()
    finally:
        cluster.stop()
