"""docker-compose.yml, checked as far as is possible without a Docker engine."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # no stubs among the dependencies
import pytest

from pipeline.settings import Settings
from tests.deploy.compose import ROOT, fill_in, load_compose, load_schema, load_services, read_env_file, used_variables
from tests.deploy.servers import service_environment

SERVICES = load_services()
ENDS_BY_ITSELF = {"initialise"}
SECRET = re.compile(r"PASSWORD|SECRET|KEY|TOKEN")
# An exact version: two numbers at least, behind them a variant if any.
PINNED = re.compile(r"^[a-z/.-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)*$")

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


def test_follows_the_compose_specification() -> None:
    jsonschema.Draft202012Validator(load_schema()).validate(load_compose())


def test_the_schema_finds_a_misspelt_field() -> None:
    compose = load_compose()
    compose["services"]["worker"]["healthchek"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(load_schema()).validate(compose)


def test_every_component_is_there() -> None:
    airflow = {"initialise", "api-server", "scheduler", "dag-processor", "triggerer", "worker"}
    watching = {"metrics", "prometheus", "grafana"}
    assert set(SERVICES) == airflow | watching | {"postgres", "broker", "serving", "mlflow"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@every_service
def test_image_tag_is_pinned(service: dict[str, Any]) -> None:
    assert PINNED.match(service["image"])


def test_our_image_is_tagged_with_the_projects_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    ours = {service["image"] for service in SERVICES.values() if "build" in service}
    assert ours == {f"nightjar:{version[1]}"}


@every_service
def test_service_restarts_within_limits(service: dict[str, Any]) -> None:
    assert service["restart"] in ("unless-stopped", "on-failure:3")
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ENDS_BY_ITSELF))
def test_running_service_has_a_health_check(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert check.keys() == {"test", "interval", "timeout", "retries", "start_period"}


@pytest.mark.parametrize("name", sorted(ENDS_BY_ITSELF))
def test_service_that_ends_is_waited_for(name: str) -> None:
    waiting = [service for service in SERVICES.values() if name in service.get("depends_on", {})]
    assert len(waiting) == 5
    assert {service["depends_on"][name]["condition"] for service in waiting} == {"service_completed_successfully"}


@every_service
def test_service_has_no_privileges(service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert int(service["user"].split(":")[0]) > 0
    assert "privileged" not in service


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 6
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z]+_PORT:-\d+\}:\d+", port) for port in published)


@every_service
def test_volumes_are_named_or_read_only(service: dict[str, Any]) -> None:
    declared = load_compose()["volumes"]
    for volume in service["volumes"]:
        assert volume.split(":")[0] in declared or volume.endswith(":ro"), volume


def test_secrets_have_no_default() -> None:
    secrets = {name: written for name, written in used_variables().items() if SECRET.search(name)}
    assert len(secrets) == 16
    assert {kind for kind, _ in secrets.values()} == {":?"}


@every_service
def test_secrets_come_from_variables_only(service: dict[str, Any]) -> None:
    for name, value in service.get("environment", {}).items():
        if SECRET.search(name) or re.search(r"://[^/]*:[^/]*@", value):
            assert re.search(r"\$\{[A-Z_]+:\?[^}]+\}", value), name


def test_env_example_documents_what_is_used_and_nothing_else() -> None:
    assert read_env_file((ROOT / ".env.example").read_text()).keys() == used_variables().keys()


def test_env_example_holds_no_secret_and_says_how_to_make_each() -> None:
    text = (ROOT / ".env.example").read_text()
    for name, value in read_env_file(text).items():
        if SECRET.search(name):
            assert not value
            assert re.search(rf"^# generate: .+\n{name}=$", text, re.MULTILINE), name
        assert re.search(rf"^#.+\n{name}=", text, re.MULTILINE) or name.endswith("_PORT"), f"{name} is not explained"


def test_env_example_alone_starts_nothing() -> None:
    example = read_env_file((ROOT / ".env.example").read_text())
    with pytest.raises(KeyError):
        fill_in(str(SERVICES["postgres"]["environment"]), example)


def test_generated_environment_has_long_secrets_that_all_differ(generated: dict[str, str]) -> None:
    secrets = [value for name, value in generated.items() if SECRET.search(name)]
    assert len(secrets) == len(set(secrets)) == 16
    assert all(len(secret) >= 32 for secret in secrets)
    again = subprocess.run(
        ["/bin/sh", str(ROOT / "deploy/make_env.sh")], capture_output=True, text=True, check=True
    ).stdout
    assert not set(secrets) & set(read_env_file(again).values())


def test_a_worker_holds_no_key_of_the_control_plane() -> None:
    text = str(SERVICES["worker"]["environment"])
    for name in ("AIRFLOW_DATABASE_PASSWORD", "FERNET_KEY", "JWT_SECRET", "API_SECRET_KEY", "POSTGRES_PASSWORD"):
        assert name in str(SERVICES["scheduler"]["environment"]) or name == "POSTGRES_PASSWORD"
        assert name not in text


def test_nightjar_reads_the_variables_that_it_is_given(generated: dict[str, str]) -> None:
    environment = service_environment("worker", generated | {"NIGHTJAR_JOBS": "acme.jobs"})
    settings = Settings.from_environment(environment)
    assert settings.lake == "/var/lib/nightjar/lake"
    assert settings.redis_url.get_secret_value().startswith("redis://publisher:")
    assert settings.mlflow_uri.get_secret_value() == "http://mlflow:5000"
    assert settings.jobs == ("acme.jobs",)
    known = {name for name in environment if name.startswith("NIGHTJAR_")}
    assert known <= settings.to_environment().keys()


def test_only_workers_sign_models() -> None:
    signers = {name for name, service in SERVICES.items() if "SIGNING" in str(service.get("environment"))}
    assert signers == {"worker"}


def test_only_workers_may_publish_and_only_the_page_and_the_metrics_endpoint_read() -> None:
    publishers = {name for name, service in SERVICES.items() if "PUBLISHER" in str(service.get("environment"))}
    assert publishers == {"worker", "serving"}
    readers = {name for name, service in SERVICES.items() if "READER" in str(service.get("environment"))}
    assert readers == {"api-server", "serving", "metrics"}


def test_only_the_endpoint_and_prometheus_have_the_token() -> None:
    holders = {name for name, service in SERVICES.items() if "METRICS_TOKEN" in str(service.get("environment"))}
    assert holders == {"metrics", "prometheus"}


def test_what_watches_does_not_depend_on_airflow() -> None:
    """Or nobody would hear that it is down."""
    for name in ("metrics", "prometheus", "grafana"):
        assert set(SERVICES[name].get("depends_on", {})) <= {"serving", "prometheus"}
        assert "control" not in SERVICES[name]["networks"]


@pytest.mark.parametrize("name", ["api-server", "metrics"])
def test_what_shows_the_lake_cannot_write_to_it(name: str) -> None:
    assert "lake:/var/lib/nightjar/lake:ro" in SERVICES[name]["volumes"]


def test_databases_are_on_an_internal_network() -> None:
    assert load_compose()["networks"]["control"] == {"internal": True}
    for name in ("postgres", "broker"):
        assert SERVICES[name]["networks"] == ["control"]
        assert "ports" not in SERVICES[name]


def test_serving_has_room_beside_its_data() -> None:
    configuration = (ROOT / "deploy/redis/serving.conf").read_text()
    maxmemory = re.search(r"^maxmemory (\d+)gb$", configuration, re.MULTILINE)
    limit = SERVICES["serving"]["deploy"]["resources"]["limits"]["memory"]
    assert maxmemory
    assert int(limit.removesuffix("G")) >= 2 * int(maxmemory[1])
