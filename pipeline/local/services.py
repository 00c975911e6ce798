"""The embedded services together: started, found again from another shell, stopped without leftovers.

Layout of the home folder: ``services`` (credentials, what runs, addresses; its owner's alone), ``redis``, ``airflow``,
``mlflow`` and ``logs``.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pipeline.errors import RefusedError, UnavailableError
from pipeline.local import metrics_server, mlflow_server
from pipeline.local.airflow_api import AirflowApi
from pipeline.local.airflow_services import AirflowPlan, prepare_airflow, start_airflow
from pipeline.local.credentials import Credentials, load_credentials, write_private
from pipeline.local.metrics_server import start_metrics, wait_for_metrics
from pipeline.local.mlflow_server import is_file, start_mlflow, wait_for_mlflow
from pipeline.local.ports import find_free_port
from pipeline.local.processes import Service, end_marked, end_services, find_marked
from pipeline.local.redis_server import find_redis_server, start_redis
from pipeline.redis_url import REDIS_ERRORS, close_client, open_client
from pipeline.redis_users import Role
from pipeline.settings import Settings, service_addresses_path, storage_environment

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class LocalServices:
    """Redis, Airflow and MLflow on this machine, and where they are.

    Attributes:
        settings: the settings with the addresses of these services in them.
        airflow_url: address of the UI and the API.
        since: moment (ISO 8601, UTC) at which Airflow was started.
        mlflow_url: address of MLflow's UI and API, a secret path included; empty where none was started here.
        metrics_url: address that Prometheus may scrape; empty where no endpoint was started here.
        keep: they outlive the command that started them, until ``nightjar down``.
    """

    settings: Settings
    credentials: Credentials
    airflow_url: str
    since: str
    mlflow_url: str = ""
    metrics_url: str = ""
    keep: bool = False
    processes: list[Service] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connect_api(self) -> AirflowApi:
        """Airflow's API as the user ``admin``."""
        return AirflowApi(self.airflow_url, user="admin", password=self.credentials.admin_password)

    def start_airflow(self) -> None:
        """Start Airflow and wait until it is healthy; may run beside other work.

        Raises:
            UnavailableError: it did not start, or :meth:`stop` was called meanwhile.
        """
        if self._stopping.is_set():
            raise UnavailableError("the services are being stopped", found="Airflow was about to start")
        plan = AirflowPlan(
            home=self.settings.home,
            dags=REPOSITORY / "dags",
            port=int(self.airflow_url.rpartition(":")[2]),
            credentials=self.credentials,
            variables={**storage_environment(), **self.settings.to_environment()},
        )
        prepare_airflow(plan)
        with closing(self.connect_api()) as api:
            start_airflow(plan, api, self.add_process)

    def start_mlflow(self) -> None:
        """Start MLflow's server over the file that models are mirrored to; it answers after :meth:`wait_for_mlflow`.

        Nothing is started where the settings name a server.

        Raises:
            UnavailableError: it cannot be started, or the services are being stopped.
        """
        store = self.settings.mlflow_uri.get_secret_value()
        if is_file(store):
            home, secret = self.settings.home, self.credentials.mlflow_path
            service, self.mlflow_url = start_mlflow(home, store=store, secret=secret)
            self.add_process(service)

    def start_metrics(self) -> None:
        """Start the endpoint that Prometheus may scrape; it answers after :meth:`wait_for_pages`.

        Raises:
            UnavailableError: it cannot be started, or the services are being stopped.
        """
        token = self.settings.metrics_token.get_secret_value() or self.credentials.metrics_token
        service, self.metrics_url = start_metrics(self.settings, token)
        self.add_process(service)

    def wait_for_pages(self) -> None:
        """Wait until the MLflow and the metrics endpoint that were started here answer.

        Raises:
            UnavailableError: one of them does not.
        """
        for service in self.processes:
            if service.name == mlflow_server.SERVICE:
                wait_for_mlflow(service, self.mlflow_url)
            elif service.name == metrics_server.SERVICE:
                wait_for_metrics(service, self.metrics_url)

    def add_process(self, service: Service) -> None:
        """Remember a process, so that it can be stopped from here and from another shell.

        Raises:
            UnavailableError: the services are being stopped.
        """
        with self._lock:
            self.processes.append(service)
            if not self._stopping.is_set():
                self.record()
                return
        end_services([service])
        raise UnavailableError("the services are being stopped", found=f"{service.name} was about to start")

    def record(self) -> None:
        """Write down what runs and where."""
        folder = services_folder(self.settings.home)
        state = {
            "keep": self.keep,
            "since": self.since,
            "airflow_url": self.airflow_url,
            "mlflow_url": self.mlflow_url,
            "metrics_url": self.metrics_url,
            "processes": [service.to_json() for service in self.processes],
        }
        write_private(folder / "state.json", state)
        addresses = {
            name: value
            for name, value in self.settings.to_environment().items()
            if name.startswith("NIGHTJAR_REDIS_") or name == "NIGHTJAR_MLFLOW_URI"
        }
        write_private(service_addresses_path(self.settings.home), addresses)

    def stop(self) -> None:
        """End everything that was started here, Airflow before Redis."""
        with self._lock:
            self._stopping.set()
        stop_services(self.settings.home)


def start_services(settings: Settings) -> LocalServices:
    """Start Redis, unless the settings name one, and choose Airflow's address; :meth:`start_airflow` does the rest.

    Raises:
        UnavailableError: no Redis can be started, or the one that the settings name does not answer.
    """
    stop_services(settings.home)  # what a command that was killed has left behind
    credentials = load_credentials(services_folder(settings.home))
    mlflow_uri = settings.mlflow_uri.get_secret_value() or f"sqlite:///{settings.home}/mlflow.db"
    started = []
    if settings.embedded_redis:
        binary = find_redis_server(os.environ.get("PATH", os.defpath))
        service, urls = start_redis(settings.home, binary=binary, passwords=credentials.redis_passwords)
        settings = settings.model_copy(update=_name_redis(urls))
        started.append(service)
    else:
        _check_redis(settings.redis_url.get_secret_value())
    services = LocalServices(
        settings.model_copy(
            update={
                "mlflow_uri": SecretStr(mlflow_uri),
                "signing_keys": settings.signing_keys or (SecretStr(credentials.signing_key),),
            }
        ),
        credentials,
        airflow_url=f"http://127.0.0.1:{find_free_port()}",
        since=datetime.now(UTC).isoformat(),
    )
    for service in started:
        services.add_process(service)
    return services


def find_services(settings: Settings) -> LocalServices | None:
    """The services that ``nightjar up`` left running, or None where not all of them run.

    Raises:
        RefusedError: they run, and publish to another Redis than the one that the settings name.
    """
    folder = services_folder(settings.home)
    state = _read_json(folder / "state.json")
    addresses = _read_json(service_addresses_path(settings.home))
    if not state or not addresses or not state["keep"]:
        return None
    processes = [Service(**service) for service in state["processes"]]
    if any(service.process() is None for service in processes):
        return None
    if not settings.embedded_redis and settings.redis_url.get_secret_value() != addresses["NIGHTJAR_REDIS_URL"]:
        raise RefusedError(
            "what `nightjar up` left running publishes to another Redis than NIGHTJAR_REDIS_URL names",
            next_step="`nightjar down` first, or unset NIGHTJAR_REDIS_URL",
        )
    found = settings.model_copy(
        update={
            "redis_url": SecretStr(addresses["NIGHTJAR_REDIS_URL"]),
            "redis_reader_url": SecretStr(addresses.get("NIGHTJAR_REDIS_READER_URL", "")),
            "redis_janitor_url": SecretStr(addresses.get("NIGHTJAR_REDIS_JANITOR_URL", "")),
            "mlflow_uri": SecretStr(addresses["NIGHTJAR_MLFLOW_URI"]),
        }
    )
    credentials = load_credentials(folder)
    return LocalServices(
        found,
        credentials,
        airflow_url=state["airflow_url"],
        since=state["since"],
        mlflow_url=state["mlflow_url"],
        metrics_url=state.get("metrics_url", ""),
        keep=True,
        processes=processes,
    )


def stop_services(home: Path) -> int:
    """End every embedded service of ``home`` and everything they have started; return how many processes that were.

    Raises:
        UnavailableError: a process cannot be ended.
    """
    folder = services_folder(home)
    state = _read_json(folder / "state.json") or {"processes": []}
    recorded = [Service(**service) for service in state["processes"]]
    count = len({process.pid for process in find_marked(home)})
    # Redis goes last: a task that is being ended may still be talking to it.
    end_services(service for service in recorded if service.name != "redis")
    end_marked(home, keep=[service.pid for service in recorded if service.name == "redis"])
    end_marked(home)
    for path in (folder / "state.json", service_addresses_path(home)):
        path.unlink(missing_ok=True)
    return count


def services_folder(home: Path) -> Path:
    """Folder of what the services' owner alone may read; made where it does not exist."""
    folder = home / "services"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _name_redis(urls: Mapping[Role, str]) -> dict[str, SecretStr]:
    """The settings that name the embedded Redis to each of its users."""
    names = {"redis_url": Role.PUBLISHER, "redis_reader_url": Role.READER, "redis_janitor_url": Role.JANITOR}
    return {name: SecretStr(urls[role]) for name, role in names.items()}


def _check_redis(url: str) -> None:
    try:
        client = open_client(url, socket_timeout=5, socket_connect_timeout=5)
        try:
            client.ping()
        finally:
            close_client(client)
    except REDIS_ERRORS as error:
        raise UnavailableError(
            "the Redis server that NIGHTJAR_REDIS_URL names does not answer",
            found=str(error),
            next_step="start it, correct the address, or unset NIGHTJAR_REDIS_URL to use an embedded server",
        ) from error
