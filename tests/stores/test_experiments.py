from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from mlflow.server import app
from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR
from mlflow.tracking import MlflowClient
from werkzeug.serving import make_server

from pipeline.errors import DamagedError
from pipeline.stores.experiments import Experiments, hide_password
from pipeline.stores.lake import Lake
from pipeline.stores.ledger import Ledger
from pipeline.stores.model_cards import ModelCards
from tests.stores.model_samples import FEATURES, make_registration, tell_noon

REPOSITORY = Path(__file__).parents[2]
NOON_MILLISECONDS = 1_714_996_800_000


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def ledger(lake: Lake) -> Ledger:
    """Model 1 is champion, model 2 a challenger."""
    ledger = Ledger(lake, "parcels", tell_noon)
    ledger.register(make_registration("a" * 64), who="ada", why="trained on 30 partitions")
    ledger.promote("1", holds_from="2024-05-06", who="ada", why="the first model", expected_champion=None)
    ledger.register(make_registration("b" * 64), who="ada", why="trained on 37 partitions")
    return ledger


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with MLflow's tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    uri = f"sqlite:///{path}"
    MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments()
    return path.read_bytes()


@pytest.fixture
def uri(tmp_path: Path, empty_database: bytes) -> str:
    path = tmp_path / "mlflow.db"
    path.write_bytes(empty_database)
    return f"sqlite:///{path}"


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def experiments(uri: str, lake: Lake) -> Experiments:
    return Experiments(uri, "parcels", lake.url, ModelCards(lake, "parcels").read_mirrored)


@pytest.fixture
def server(uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of MLflow's own server over a database, with a user name and password in it."""
    monkeypatch.setenv(BACKEND_STORE_URI_ENV_VAR, uri)
    monkeypatch.setenv(ARTIFACT_ROOT_ENV_VAR, "mlflow-artifacts:/")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://ada:s3cret@127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def read_aliases(client: MlflowClient) -> dict[str, str]:
    """Ledger version by alias."""
    aliases = client.get_registered_model("parcels").aliases
    return {
        alias: client.get_model_version("parcels", str(number)).tags["model_version"]
        for alias, number in aliases.items()
    }


def read_all(client: MlflowClient) -> tuple[object, ...]:
    """Everything that MLflow holds of the job."""
    experiment = client.get_experiment_by_name("parcels")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    versions = client.search_model_versions("name='parcels'")
    return (
        sorted((run.info.run_id, str(run.info.status), str(run.data.to_dictionary())) for run in runs),
        sorted((str(version.version), version.run_id, str(version.source), str(version.tags)) for version in versions),
        client.get_registered_model("parcels").aliases,
    )


def test_a_training_is_a_run_with_what_it_was_made_of(
    experiments: Experiments, ledger: Ledger, client: MlflowClient, lake: Lake
) -> None:
    assert experiments.mirror(ledger.events()) is None
    experiment = client.get_experiment_by_name("parcels")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == ["model 1", "model 2"]
    run = runs["model 1"]
    assert (run.info.status, run.info.start_time, run.info.end_time) == (
        "FINISHED",
        NOON_MILLISECONDS,
        NOON_MILLISECONDS,
    )
    assert run.data.params == {"seed": "7", "C": "1.0", "warm_start": "False", "class_weight": "None"}
    assert run.data.metrics == {"auc": 0.75, "log_loss": 0.5, "rows": 1000.0}
    expected = {
        "model_digest": "a" * 64,
        "metadata_digest": "b" * 64,
        "model_version": "1",
        "dataset_version": "d" * 64,
        "partition": "2024-05-05",
        "feature_set": "parcels@3",
        "feature_set_digest": FEATURES.digest,
        "code_version": "0.1.0",
        "library.scikit-learn": "1.9.1",
        "artifact": lake.url(f"jobs/parcels/artifacts/{'a' * 64}.joblib"),
        "registered_by": "ada",
    }
    assert {name: run.data.tags.get(name) for name in expected} == expected


def test_a_version_points_at_its_run_and_its_file_and_says_how_it_stands(
    experiments: Experiments, ledger: Ledger, client: MlflowClient, lake: Lake
) -> None:
    experiments.mirror(ledger.events())
    version = client.get_model_version_by_alias("parcels", "champion")
    assert version.source == f"runs:/{version.run_id}/model"
    assert version.tags["artifact"] == lake.url(f"jobs/parcels/artifacts/{'a' * 64}.joblib")
    assert version.tags["standing"] == "promoted"
    assert version.tags["why"] == "the first model"
    assert version.tags["holds_from"] == "2024-05-06"


def test_aliases_name_the_champion_and_the_challenger(
    experiments: Experiments, ledger: Ledger, client: MlflowClient
) -> None:
    experiments.mirror(ledger.events())
    assert read_aliases(client) == {"champion": "1", "challenger": "2"}


def test_aliases_follow_the_ledger(experiments: Experiments, ledger: Ledger, client: MlflowClient) -> None:
    experiments.mirror(ledger.events())
    ledger.promote("2", holds_from="2024-05-13", who="ada", why="better", expected_champion="1")
    experiments.mirror(ledger.events())
    assert read_aliases(client) == {"champion": "2"}
    ledger.demote("2", holds_from="2024-05-14", who="ada", why="complaints")
    experiments.mirror(ledger.events())
    assert read_aliases(client) == {"champion": "1"}


def test_mirroring_again_changes_nothing(experiments: Experiments, ledger: Ledger, client: MlflowClient) -> None:
    experiments.mirror(ledger.events())
    before = read_all(client)
    experiments.mirror(ledger.events())
    assert read_all(client) == before


def test_a_ledger_without_models_is_mirrored_as_nothing(experiments: Experiments, client: MlflowClient) -> None:
    assert experiments.mirror([]) is None
    assert client.get_experiment_by_name("parcels") is None


def test_what_was_missed_is_made_up_for(experiments: Experiments, ledger: Ledger, client: MlflowClient) -> None:
    """As after MLflow was down for two trainings."""
    experiments.mirror(ledger.events()[:2])
    ledger.register(make_registration("c" * 64), who="ada", why="trained")
    ledger.promote("3", holds_from="2024-05-13", who="ada", why="better", expected_champion="1")
    experiments.mirror(ledger.events())
    assert len(client.search_model_versions("name='parcels'")) == 3
    assert read_aliases(client) == {"champion": "3"}


def test_what_people_moved_or_deleted_is_mended(experiments: Experiments, ledger: Ledger, client: MlflowClient) -> None:
    experiments.mirror(ledger.events())
    champion = client.get_model_version_by_alias("parcels", "champion")
    client.set_model_version_tag("parcels", champion.version, "standing", "excellent")
    client.delete_model_version("parcels", client.get_model_version_by_alias("parcels", "challenger").version)
    client.set_registered_model_alias("parcels", "challenger", champion.version)
    assert experiments.mirror(ledger.events()) is None
    assert read_aliases(client) == {"champion": "1", "challenger": "2"}
    assert client.get_model_version_by_alias("parcels", "champion").tags["standing"] == "promoted"


def test_a_deleted_experiment_is_restored(experiments: Experiments, ledger: Ledger, client: MlflowClient) -> None:
    experiments.mirror(ledger.events())
    experiment = client.get_experiment_by_name("parcels")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    assert experiments.mirror(ledger.events()) is None
    assert len(client.search_runs([experiment.experiment_id])) == 2


def test_a_run_that_was_left_unfinished_is_finished(
    experiments: Experiments, ledger: Ledger, client: MlflowClient
) -> None:
    """As after a mirroring that was killed between making the run and writing to it."""
    experiment_id = client.create_experiment("parcels")
    client.create_run(experiment_id, tags={"model_digest": "a" * 64, "metadata_digest": "b" * 64})
    experiments.mirror(ledger.events())
    runs = client.search_runs([experiment_id])
    assert len(runs) == 2
    assert all(run.info.status == "FINISHED" and run.data.metrics["auc"] == 0.75 for run in runs)


def test_one_model_registered_for_two_feature_sets_is_two_versions(
    experiments: Experiments, ledger: Ledger, client: MlflowClient
) -> None:
    raised = make_registration("a" * 64, metadata_digest="c" * 64, feature_set_version=4)
    ledger.register(raised, who="ada", why="trained again")
    for _ in range(2):
        assert experiments.mirror(ledger.events()) is None
    versions = {str(version.version): version.tags for version in client.search_model_versions("name='parcels'")}
    assert {number: tags["feature_set"] for number, tags in versions.items()} == {
        "1": "parcels@3",
        "2": "parcels@3",
        "3": "parcels@4",
    }


def test_versions_that_people_registered_are_left_alone(
    experiments: Experiments, ledger: Ledger, client: MlflowClient
) -> None:
    client.create_registered_model("parcels")
    client.create_model_version("parcels", "s3://bucket/theirs")
    experiments.mirror(ledger.events())
    assert client.get_model_version("parcels", "1").tags == {}
    assert read_aliases(client) == {"champion": "1", "challenger": "2"}


def read_artifacts(client: MlflowClient, version: str, folder: str = "card") -> dict[str, str]:
    """What the run of a model version has in a folder."""
    run = client.get_model_version("parcels", version).run_id
    assert run is not None
    root = Path(client.download_artifacts(run, folder)) if client.list_artifacts(run, folder) else Path("nowhere")
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def put_card(lake: Lake, version: str, text: str) -> None:
    folder = f"jobs/parcels/cards/{version}"
    for path in ("card.md", "plots/roc.svg"):
        lake.replace(f"{folder}/mirrored/{path}", text.encode())
        lake.replace(f"{folder}/{path}", b"with segments")


def test_cards_are_artifacts_of_their_runs_without_what_stays_in_the_lake(
    experiments: Experiments, ledger: Ledger, lake: Lake, client: MlflowClient
) -> None:
    put_card(lake, "1", "first")
    assert experiments.mirror(ledger.events()) is None
    assert read_artifacts(client, "1") == {"card.md": "first", "plots/roc.svg": "first"}
    assert read_artifacts(client, "2") == {}


def test_a_card_that_was_missed_or_has_changed_is_mirrored_next_time(
    experiments: Experiments, ledger: Ledger, lake: Lake, client: MlflowClient
) -> None:
    put_card(lake, "1", "first")
    experiments.mirror(ledger.events())
    put_card(lake, "1", "second")
    put_card(lake, "2", "missed")
    assert experiments.mirror(ledger.events()) is None
    assert read_artifacts(client, "1")["card.md"] == "second"
    assert read_artifacts(client, "2")["card.md"] == "missed"


def test_a_card_that_cannot_be_mirrored_is_a_warning_and_the_rest_is_mirrored(
    ledger: Ledger, lake: Lake, uri: str, tmp_path: Path, client: MlflowClient
) -> None:
    (tmp_path / "mlflow-artifacts").write_text("not a folder")
    put_card(lake, "1", "first")
    made = Experiments(uri, "parcels", lake.url, ModelCards(lake, "parcels").read_mirrored)
    assert made.mirror(ledger.events()) is not None
    assert read_aliases(client) == {"champion": "1", "challenger": "2"}
    (tmp_path / "mlflow-artifacts").unlink()
    assert made.mirror(ledger.events()) is None
    assert read_artifacts(client, "1")["card.md"] == "first"


def test_a_card_that_is_written_anew_meanwhile_is_a_warning(ledger: Ledger, lake: Lake, uri: str) -> None:
    def read_card(version: str) -> dict[str, str]:
        raise DamagedError(f"the card of model {version} is not the one that was written")

    warning = Experiments(uri, "parcels", lake.url, read_card).mirror(ledger.events())
    assert warning is not None
    assert "DamagedError: the card of model 1" in warning


def test_an_mlflow_that_is_down_is_a_warning_without_the_password(
    ledger: Ledger, lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else gets the port, and connecting to it is refused.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with caplog.at_level(logging.WARNING):
            warning = Experiments(
                f"http://ada:s3cret%21@127.0.0.1:{port}", "parcels", lake.url, ModelCards(lake, "parcels").read_mirrored
            ).mirror(ledger.events())
    assert warning is not None
    assert f"127.0.0.1:{port}" in warning
    assert "job parcels" in warning
    assert warning in caplog.messages
    assert "s3cret" not in warning + caplog.text


def test_a_database_that_cannot_be_opened_is_a_warning(ledger: Ledger, lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    warning = Experiments(
        f"sqlite:///{tmp_path}/file/mlflow.db", "parcels", lake.url, ModelCards(lake, "parcels").read_mirrored
    ).mirror(ledger.events())
    assert warning is not None


def test_an_absent_mlflow_is_a_warning(ledger: Ledger, lake: Lake, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)
    monkeypatch.delitem(sys.modules, "pipeline.stores.experiment_mirror", raising=False)
    warning = Experiments(uri, "parcels", lake.url, ModelCards(lake, "parcels").read_mirrored).mirror(ledger.events())
    assert warning is not None
    assert "is not installed" in warning


def test_without_an_address_nothing_is_mirrored_and_mlflow_is_not_imported() -> None:
    code = (
        "import sys; from pipeline.stores.experiments import Experiments; "
        "assert Experiments('', 'parcels', str, dict).mirror([]) is None; sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_mirroring_sends_no_telemetry_and_leaves_nothing_where_it_runs(
    tmp_path: Path, uri: str, ledger: Ledger
) -> None:
    code = (
        "import sys; from datetime import datetime; from pipeline.stores.experiments import Experiments; "
        "from pipeline.stores.lake import Lake; from pipeline.stores.ledger import Ledger; lake = Lake(sys.argv[1]); "
        "events = Ledger(lake, 'parcels', datetime.now).events(); "
        "made = Experiments(sys.argv[2], 'parcels', lake.url, lambda version: {'card.md': 'text'}); "
        "assert made.mirror(events) is None; "
        "from mlflow.telemetry import utils; utils._IS_IN_CI_ENV_OR_TESTING = False; "
        "assert utils.is_telemetry_disabled()"
    )
    folder = tmp_path / "where"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "lake"), uri],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    assert list(folder.iterdir()) == []


def test_a_server_is_mirrored_to_like_a_database_and_nothing_is_printed(
    server: str, ledger: Ledger, lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server refuses sources that a database takes, and its client prints the address of every run."""
    assert (
        Experiments(server, "parcels", lake.url, ModelCards(lake, "parcels").read_mirrored).mirror(ledger.events())
        is None
    )
    assert read_aliases(MlflowClient(tracking_uri=server, registry_uri=server)) == {"champion": "1", "challenger": "2"}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["sent to http://ada:s3cret%21@host/api", "wrong password: s3cret!"])
def test_a_password_is_hidden_however_it_is_written(text: str) -> None:
    assert "s3cret" not in hide_password(text, "http://ada:s3cret%21@host")
