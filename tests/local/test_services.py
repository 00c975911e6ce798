"""The embedded services are found by other commands while they run, and gone without a trace afterwards."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import redis

from pipeline.errors import RefusedError, UnavailableError
from pipeline.local import stop
from pipeline.local.demo import find_mlflow
from pipeline.local.metrics_server import token_path
from pipeline.local.ports import find_free_port
from pipeline.local.processes import find_marked
from pipeline.local.services import LocalServices, find_services, start_services
from pipeline.settings import Settings, service_addresses_path
from tests.object_store import BUCKET, SECRET, ObjectStore


def settings_of(home: Path, **variables: str) -> Settings:
    return Settings.from_environment({"NIGHTJAR_HOME": str(home), **variables})


def test_other_commands_find_the_embedded_redis_while_it_runs(home: Path) -> None:
    start_services(settings_of(home))

    found = settings_of(home)

    with redis.Redis.from_url(found.redis_url.get_secret_value()) as client:
        assert client.ping()
    assert stat.S_IMODE(service_addresses_path(home).stat().st_mode) == 0o600


def test_a_redis_named_in_the_environment_wins_over_the_embedded_one(home: Path) -> None:
    start_services(settings_of(home))

    named = settings_of(home, NIGHTJAR_REDIS_URL="redis://elsewhere:6379/0")

    assert named.redis_url.get_secret_value() == "redis://elsewhere:6379/0"


def test_stopping_from_another_command_leaves_no_process_and_no_address(home: Path) -> None:
    start_services(settings_of(home))

    assert stop(settings_of(home)) == 1

    assert find_marked(home) == []
    assert not service_addresses_path(home).exists()
    assert stop(settings_of(home)) == 0


def test_what_a_killed_command_left_behind_is_ended_before_a_new_start(home: Path) -> None:
    abandoned = start_services(settings_of(home)).processes[0]

    (started,) = start_services(settings_of(home)).processes

    assert abandoned.process() is None
    assert started.process() is not None


def test_only_services_that_were_left_running_on_purpose_are_used_again(home: Path) -> None:
    services = start_services(settings_of(home))
    assert find_services(settings_of(home)) is None

    services.keep = True
    services.record()

    found = find_services(settings_of(home))
    assert found is not None
    assert found.settings == services.settings
    assert found.airflow_url == services.airflow_url


def test_services_that_publish_elsewhere_are_not_used_for_a_redis_that_was_named(home: Path) -> None:
    services = start_services(settings_of(home))
    services.keep = True
    services.record()

    with pytest.raises(RefusedError, match="another Redis"):
        find_services(settings_of(home, NIGHTJAR_REDIS_URL="redis://elsewhere:6379/0"))


def test_services_are_not_used_again_once_one_of_them_has_ended(home: Path) -> None:
    services = start_services(settings_of(home))
    services.keep = True
    services.record()
    (process,) = services.processes
    stop_one = process.process()
    assert stop_one is not None
    stop_one.kill()
    stop_one.wait()

    assert find_services(settings_of(home)) is None


@pytest.mark.parametrize(
    "start", [LocalServices.start_airflow, LocalServices.start_mlflow, LocalServices.start_metrics]
)
def test_nothing_starts_once_stopping_has_begun(home: Path, start: Callable[[LocalServices], None]) -> None:
    services = start_services(settings_of(home))
    services.stop()

    with pytest.raises(UnavailableError, match="being stopped"):
        start(services)
    assert find_marked(home) == []


def test_mlflow_answers_where_other_commands_find_it_until_it_is_stopped(home: Path) -> None:
    services = start_services(settings_of(home))
    services.start_mlflow()
    services.wait_for_pages()
    services.keep = True
    services.record()

    found = find_services(settings_of(home))

    assert found is not None
    assert httpx.get(f"{find_mlflow(found)}health").text == "OK"
    assert stop(settings_of(home)) > 1
    assert find_marked(home) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(services.mlflow_url)


def test_metrics_answer_who_has_the_token_of_the_file_until_they_are_stopped(home: Path) -> None:
    services = start_services(settings_of(home))
    services.start_metrics()
    services.wait_for_pages()
    services.keep = True
    services.record()

    found = find_services(settings_of(home))

    assert found is not None
    token = token_path(home).read_text()
    assert stat.S_IMODE(token_path(home).stat().st_mode) == 0o600
    assert httpx.get(found.metrics_url).status_code == httpx.codes.UNAUTHORIZED
    answer = httpx.get(found.metrics_url, headers={"Authorization": f"Bearer {token}"})
    assert 'nightjar_scrape_error{part="live",scoring_job="flight_delays"} 0.0' in answer.text
    assert stop(settings_of(home)) == 2
    assert find_marked(home) == []


def test_a_token_that_was_named_is_the_one_that_counts(home: Path) -> None:
    token = "named-by-the-person-who-knows-prometheus"
    services = start_services(settings_of(home, NIGHTJAR_METRICS_TOKEN=token))
    services.start_metrics()
    services.wait_for_pages()

    answer = httpx.get(services.metrics_url, headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == httpx.codes.OK
    assert token_path(home).read_text() == token


def test_the_endpoint_may_only_read_and_its_token_is_on_no_command_line(home: Path) -> None:
    services = start_services(settings_of(home))
    services.start_metrics()
    (service,) = [service for service in services.processes if service.name == "metrics"]
    process = service.process()
    assert process is not None
    environment = process.environ()

    assert services.credentials.publisher_password not in str(environment)
    assert services.credentials.metrics_token not in " ".join(process.cmdline())


def test_the_endpoint_reads_a_lake_on_an_object_store(home: Path, object_store: ObjectStore) -> None:
    services = start_services(settings_of(home, NIGHTJAR_LAKE=f"s3://{BUCKET}/of/nightjar"))
    services.start_metrics()
    services.wait_for_pages()
    token = services.credentials.metrics_token

    answer = httpx.get(services.metrics_url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    failed = re.findall(r"^nightjar_scrape_error\{.*\} 1.0$", answer.text, re.MULTILINE)
    assert (answer.status_code, failed) == (httpx.codes.OK, [])
    assert SECRET not in str([path.read_bytes() for path in home.rglob("*") if path.is_file()])


def test_a_killed_command_does_not_leave_its_database_behind_as_if_somebody_had_named_it(home: Path) -> None:
    abandoned = start_services(settings_of(home))
    abandoned.start_mlflow()

    services = start_services(settings_of(home))
    services.start_mlflow()

    assert services.mlflow_url not in {"", abandoned.mlflow_url}


def test_an_mlflow_that_was_named_is_the_one_to_look_at(home: Path) -> None:
    services = start_services(settings_of(home, NIGHTJAR_MLFLOW_URI="https://ada:s3cret@mlflow.example.org"))

    services.start_mlflow()
    services.wait_for_pages()

    assert [service.name for service in services.processes] == ["redis"]
    assert find_mlflow(services) == "https://ada:***@mlflow.example.org"


def test_a_redis_that_was_named_must_answer(home: Path) -> None:
    url = f"redis://127.0.0.1:{find_free_port()}/0"

    with pytest.raises(UnavailableError, match="NIGHTJAR_REDIS_URL"):
        start_services(settings_of(home, NIGHTJAR_REDIS_URL=url))
