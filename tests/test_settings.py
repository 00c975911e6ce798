"""Settings: read from variables alone, with defaults, and never showing a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.settings import Settings, credentials_path, service_addresses_path, storage_environment

EVERYTHING = {
    "NIGHTJAR_HOME": "/home/nightjar",
    "NIGHTJAR_LAKE": "s3://bucket/lake",
    "NIGHTJAR_REDIS_URL": "rediss://publisher:hush@redis:6380/1",
    "NIGHTJAR_REDIS_READER_URL": "rediss://reader:hush@redis:6380/1",
    "NIGHTJAR_REDIS_JANITOR_URL": "rediss://janitor:hush@redis:6380/1",
    "NIGHTJAR_JOBS": "a.job b.job",
    "NIGHTJAR_MLFLOW_URI": "https://me:hush@mlflow",
    "NIGHTJAR_PARALLEL": "processes:4",
    "NIGHTJAR_ALERT_WEBHOOK": "https://example.org/hush",
    "NIGHTJAR_SMTP_URL": "smtps://me:hush@mail:465",
    "NIGHTJAR_ALERT_FROM": "nightjar@example.org",
    "NIGHTJAR_RUNBOOKS": "https://example.org/operations",
    "NIGHTJAR_CLOCK": "2013-04-03T12:00:00Z",
    "NIGHTJAR_SIGNING_KEY": "hush-new hush-old",
    "NIGHTJAR_METRICS_TOKEN": "hush-metrics",
}


def test_defaults_are_local(tmp_path: Path) -> None:
    settings = Settings.from_environment({"NIGHTJAR_HOME": str(tmp_path)})
    assert settings.lake == str(tmp_path / "lake")
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert settings.embedded_redis
    assert (settings.jobs, settings.parallel) == ((), "processes")
    assert settings.mlflow_uri.get_secret_value() == settings.alert_webhook.get_secret_value() == ""


def test_without_a_home_it_is_a_folder_here() -> None:
    assert Settings.from_environment({}).home == Path.cwd() / ".nightjar"


def test_every_variable_is_read_and_given_on() -> None:
    settings = Settings.from_environment(EVERYTHING)
    assert settings.to_environment() == EVERYTHING
    assert not settings.embedded_redis


def test_an_empty_variable_is_an_unset_one(tmp_path: Path) -> None:
    empty = {**dict.fromkeys(EVERYTHING, ""), "NIGHTJAR_HOME": str(tmp_path)}
    assert Settings.from_environment(empty) == Settings.from_environment({"NIGHTJAR_HOME": str(tmp_path)})


@pytest.mark.parametrize("text", ["a.job,b.job", " a.job ,  b.job ", "a.job\nb.job"])
def test_jobs_may_be_separated_by_commas_or_white_space(text: str) -> None:
    assert Settings.from_environment({"NIGHTJAR_JOBS": text}).jobs == ("a.job", "b.job")


def test_secrets_are_not_shown() -> None:
    settings = Settings.from_environment(EVERYTHING)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "hush" not in shown


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings.from_environment({}).lake = "elsewhere"  # type: ignore[misc]


def test_embedded_services_say_where_they_are_and_a_variable_wins(tmp_path: Path) -> None:
    path = service_addresses_path(tmp_path)
    path.parent.mkdir()
    path.write_text(json.dumps({"NIGHTJAR_REDIS_URL": "redis://127.0.0.1:7001/0"}))
    environment = {"NIGHTJAR_HOME": str(tmp_path)}
    found = Settings.from_environment(environment)
    assert found.redis_url.get_secret_value() == "redis://127.0.0.1:7001/0"
    named = Settings.from_environment({**environment, "NIGHTJAR_REDIS_URL": "redis://other/0"})
    assert named.redis_url.get_secret_value() == "redis://other/0"


@pytest.mark.parametrize("text", ["new,old", "new old", " new ,\nold "])
def test_of_several_signing_keys_the_first_signs(text: str) -> None:
    keys = Settings.from_environment({"NIGHTJAR_SIGNING_KEY": text}).signing_keys
    assert [key.get_secret_value() for key in keys] == ["new", "old"]


def test_models_of_the_embedded_services_are_accepted_after_they_have_ended(tmp_path: Path) -> None:
    environment = {"NIGHTJAR_HOME": str(tmp_path)}
    assert Settings.from_environment(environment).signing_keys == ()
    path = credentials_path(tmp_path)
    path.parent.mkdir()
    path.write_text(json.dumps({"signing_key": "generated", "redis_password": "hush"}))
    (key,) = Settings.from_environment(environment).signing_keys
    assert key.get_secret_value() == "generated"
    (named,) = Settings.from_environment({**environment, "NIGHTJAR_SIGNING_KEY": "mine"}).signing_keys
    assert named.get_secret_value() == "mine"


def test_a_redis_that_is_named_is_not_read_with_the_users_of_the_embedded_one(tmp_path: Path) -> None:
    path = service_addresses_path(tmp_path)
    path.parent.mkdir()
    path.write_text(json.dumps({f"NIGHTJAR_REDIS_{role}URL": "redis://own/0" for role in ("", "READER_", "JANITOR_")}))
    environment = {"NIGHTJAR_HOME": str(tmp_path)}
    found = Settings.from_environment(environment)
    assert found.url_for_reading == found.url_for_cleaning == "redis://own/0"
    named = Settings.from_environment({**environment, "NIGHTJAR_REDIS_URL": "redis://other/0"})
    assert named.url_for_reading == named.url_for_cleaning == "redis://other/0"


def test_processes_that_open_the_lake_are_given_what_leads_to_an_object_store() -> None:
    given = {"AWS_ENDPOINT_URL": "https://store", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}
    assert storage_environment({**given, "SOMEBODYS_SECRET": "hush", "NIGHTJAR_LAKE": "s3://bucket"}) == given
