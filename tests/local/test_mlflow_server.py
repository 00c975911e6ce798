"""The embedded MLflow: it shows what was mirrored, to who knows its address and to nobody else."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from mlflow.server import app as flask_app
from mlflow.server.fastapi_app import app as fastapi_app
from mlflow.tracking import MlflowClient
from starlette.routing import Route

from pipeline.errors import UnavailableError
from pipeline.local.mlflow_server import is_file, start_mlflow, wait_for_mlflow
from pipeline.local.processes import Service, end_marked, find_marked
from pipeline.stores.experiments import Experiments
from pipeline.stores.lake import Lake
from pipeline.stores.ledger import Ledger
from pipeline.stores.model_cards import ModelCards
from tests.dags.browser import Browser
from tests.stores.model_cards.documents import make_document
from tests.stores.model_samples import make_registration, tell_noon

JOB = "parcels"
SECRET = "correct-horse_battery-staple"
ASSISTANT = "/ajax-api/3.0/mlflow/assistant/config"


@dataclass(frozen=True)
class Mlflow:
    """A server over a mirrored ledger, whose one model has a card."""

    home: Path
    service: Service
    url: str

    @property
    def origin(self) -> str:
        """The address without the secret."""
        return self.url.removesuffix(f"/{SECRET}/")


def mirror_a_model(home: Path, store: str) -> None:
    lake = Lake(str(home / "lake"))
    ledger = Ledger(lake, JOB, tell_noon)
    ledger.register(make_registration(), who="ada", why="trained on 30 partitions")
    ledger.promote("1", holds_from="2024-05-06", who="ada", why="the first model", expected_champion=None)
    cards = ModelCards(lake, JOB)
    cards.write("1", make_document(), make_document())
    assert Experiments(store, JOB, lake.url, cards.read_mirrored).mirror(ledger.events()) is None


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    home = tmp_path_factory.mktemp("mlflow") / "home"
    home.mkdir()
    store = f"sqlite:///{home}/mlflow.db"
    mirror_a_model(home, store)
    service, url = start_mlflow(home, store=store, secret=SECRET)
    try:
        wait_for_mlflow(service, url)
        yield Mlflow(home, service, url)
    finally:
        end_marked(home)


def find_run(mlflow: Mlflow) -> tuple[str, str]:
    """Ids of the experiment and the run of the model."""
    experiment = MlflowClient(tracking_uri=mlflow.url).get_experiment_by_name(JOB)
    assert experiment is not None
    (run,) = MlflowClient(tracking_uri=mlflow.url).search_runs([experiment.experiment_id])
    return str(experiment.experiment_id), str(run.info.run_id)


def test_experiment_and_registered_model_are_shown(mlflow: Mlflow) -> None:
    client = MlflowClient(tracking_uri=mlflow.url, registry_uri=mlflow.url)

    _, run_id = find_run(mlflow)

    champion = client.get_model_version_by_alias(JOB, "champion")
    assert (champion.run_id, champion.tags["standing"]) == (run_id, "promoted")
    assert client.get_run(run_id).data.metrics["auc"] == 0.75


@pytest.mark.parametrize("name", ["card.html", "card.md"])
def test_a_card_is_among_the_artifacts_of_its_run(mlflow: Mlflow, name: str) -> None:
    _, run_id = find_run(mlflow)

    listed = MlflowClient(tracking_uri=mlflow.url).list_artifacts(run_id, "card")
    shown = httpx.get(f"{mlflow.url}get-artifact", params={"run_uuid": run_id, "path": f"card/{name}"})

    assert f"card/{name}" in [file.path for file in listed]
    cards = ModelCards(Lake(str(mlflow.home / "lake")), JOB)
    assert shown.content == cards.read_mirrored("1")[name].encode()


def test_it_listens_on_loopback_only_with_one_worker(mlflow: Mlflow) -> None:
    processes = find_marked(mlflow.home)

    listening = {
        (process.pid, connection.laddr.ip)
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    (worker,) = psutil.Process(mlflow.service.pid).children(recursive=True)
    assert listening == {(worker.pid, "127.0.0.1")}
    assert {process.pid for process in processes} == {mlflow.service.pid, worker.pid}


def list_requests() -> set[tuple[str, str]]:
    """Method and path of everything that this version of MLflow answers."""
    routes = [(route.path, route.methods) for route in fastapi_app.routes if isinstance(route, Route)]
    rules = [(rule.rule, rule.methods) for rule in flask_app.url_map.iter_rules()]
    return {(method, path) for path, methods in routes + rules for method in (methods or set()) - {"OPTIONS"}}


def test_nothing_is_answered_to_who_does_not_know_the_secret(mlflow: Mlflow) -> None:
    """Uploads and downloads of clients, which MLflow has outside of every prefix, are off."""
    requests = list_requests()
    assert {("GET", "/"), ("POST", "/api/2.0/mlflow/runs/create"), ("PUT", ASSISTANT)} <= requests

    with httpx.Client(base_url=mlflow.origin) as client:
        codes = {request: client.request(*request).status_code for request in requests}

    answered = {request: code for request, code in codes.items() if code != httpx.codes.NOT_FOUND}
    assert {path for _, path in answered if "/mlflow-artifacts/artifacts/" not in path} == set()
    assert set(answered.values()) == {httpx.codes.SERVICE_UNAVAILABLE}


def test_other_names_of_the_machine_are_refused(mlflow: Mlflow) -> None:
    """As a page would use them whose name was made to resolve to 127.0.0.1."""
    port = mlflow.origin.rpartition(":")[2]

    answers = {
        host: httpx.get(mlflow.url, headers={"Host": host}).status_code
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"10.example.org:{port}", "example.org")
    }

    assert list(answers.values()) == [200, 200, 403, 403]


def test_the_secret_is_on_no_command_line_and_in_no_file_that_others_can_read(mlflow: Mlflow) -> None:
    commands = [" ".join(process.cmdline()) for process in find_marked(mlflow.home)]
    files = [path for path in mlflow.home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]

    assert not [command for command in commands if SECRET in command]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} <= {0o600}


def test_it_tells_nobody_that_it_is_used_and_runs_no_jobs(mlflow: Mlflow) -> None:
    telemetry = httpx.post(f"{mlflow.url}ajax-api/3.0/mlflow/ui-telemetry", json={"records": []})
    job = httpx.post(f"{mlflow.url}ajax-api/3.0/jobs/", json={"job_name": "invoke_scorer", "params": {}})

    assert telemetry.json() == {"status": "disabled"}
    assert "not enabled" in job.text


def test_a_server_that_ends_at_once_is_an_error_with_its_log(home: Path) -> None:
    (home / "mlflow.db").write_text("no database " * 100)
    service, url = start_mlflow(home, store=f"sqlite:///{home}/mlflow.db", secret=SECRET)

    with pytest.raises(UnavailableError, match="file is not a database"):
        wait_for_mlflow(service, url)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [("sqlite:////srv/mlflow.db", True), ("http://mlflow:5000", False), ("postgresql+psycopg://db/mlflow", False)],
)
def test_only_a_file_wants_a_server(uri: str, expected: bool) -> None:
    assert is_file(uri) is expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("models/{job}", "document.body.innerText.includes('champion')"),
        ("{run}/artifacts/card/card.html", "!!document.querySelector('iframe.mlflow-html-iframe')?.clientHeight"),
        ("{run}/artifacts/card/card.md", "document.body.innerText.includes('What it does not know')"),
    ],
)
def test_the_pages_of_model_and_card_open_in_a_browser(mlflow: Mlflow, tmp_path: Path, page: str, shown: str) -> None:
    experiment_id, run_id = find_run(mlflow)
    run = f"experiments/{experiment_id}/runs/{run_id}"
    with Browser(tmp_path / "browser", "UTC") as browser:
        browser.open(f"{mlflow.url}#/{page.format(job=JOB, run=run)}")
        browser.wait_for(shown)
