"""The health check: everything that a night needs, and in words what must be mended."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from features.declarations import Aggregate, Feature, Lookup, Trailing
from pipeline.errors import DeclarationError
from pipeline.job import Job
from pipeline.tasks import Workspace, check_health
from pipeline.tasks.feature_sets import load_feature_set
from tests.faulty_proxy import run_proxy
from tests.meter_readings import job as declaration
from tests.meter_readings.feature_set import FEATURES
from tests.object_store import BUCKET, ObjectStore


def test_a_healthy_installation(trained: Workspace, job: Job) -> None:
    report = check_health(trained)
    assert report["problems"] == []
    assert report["lake"] == {
        "root": trained.lake.root,
        "writeable": True,
        "exclusive create": True,
        "keeps older versions": False,
    }
    assert report["jobs"]["meter_readings"] == "champion: model 1, not compiled"
    assert report["jobs"]["flight_delays"] == "no champion yet"
    assert trained.lake.list("doctor") == []


def test_secrets_are_not_shown(workspace: Workspace) -> None:
    secrets = {"mlflow_uri": "http://me:hush@x", "alert_webhook": "http://x/hush", "smtp_url": "smtp://me:hush@x"}
    hidden = {name: SecretStr(value) for name, value in secrets.items()}
    report = check_health(Workspace(workspace.settings.model_copy(update=hidden), workspace.clock))
    shown = report["settings"]
    assert shown["mlflow"] == shown["alert webhook"] == shown["alert mail"] == "set"
    assert "hush" not in str(report)


def test_mail_without_a_sender_is_a_problem(workspace: Workspace) -> None:
    settings = workspace.settings.model_copy(update={"smtp_url": SecretStr("smtp://mail")})
    assert any("NIGHTJAR_ALERT_FROM is not" in text for text in check_health(Workspace(settings))["problems"])


def test_a_champion_that_is_not_signed_by_the_key_is_a_problem(trained: Workspace) -> None:
    assert "no key" in check_health(trained)["settings"]["model signing"]
    settings = trained.settings.model_copy(update={"signing_keys": (SecretStr("hush" * 8),)})
    report = check_health(Workspace(settings, trained.clock))
    assert report["settings"]["model signing"] == "1 key accepted"
    assert any("model 1 is not signed" in problem for problem in report["problems"])
    assert "hush" not in str(report)


def test_redis_that_is_down_is_a_problem_and_stops_nothing(workspace: Workspace) -> None:
    settings = workspace.settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    report = check_health(Workspace(settings, workspace.clock))
    assert any("127.0.0.1:1" in problem for problem in report["problems"])
    assert report["lake"]["writeable"]


def test_a_lake_that_takes_no_writes_is_a_problem(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    settings = workspace.settings.model_copy(update={"lake": str(tmp_path / "file")})
    report = check_health(Workspace(settings, workspace.clock))
    assert not report["lake"]["writeable"]
    assert any("takes no writes" in problem for problem in report["problems"])


def on_object_store(workspace: Workspace, root: str = "s3://lake/of/nightjar") -> Workspace:
    return Workspace(workspace.settings.model_copy(update={"lake": root}), workspace.clock)


def test_a_healthy_lake_on_an_object_store(workspace: Workspace, object_store: ObjectStore) -> None:
    report = check_health(on_object_store(workspace))
    assert report["problems"] == []
    assert report["lake"]["exclusive create"]
    assert "Contents" not in object_store.client().list_objects_v2(Bucket=BUCKET)


def test_a_lake_that_puts_what_is_there_already_is_a_problem(
    workspace: Workspace, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an object store does that takes no notice of conditions."""
    with run_proxy(object_store.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.spoil("PUT", "unconditional", times=2)
        report = check_health(on_object_store(workspace))
    assert not report["lake"]["exclusive create"]
    assert any("puts what is there already" in problem and "If-None-Match" in problem for problem in report["problems"])


def test_a_bucket_that_keeps_versions_is_shown(workspace: Workspace, object_store: ObjectStore) -> None:
    object_store.client().put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    assert check_health(on_object_store(workspace))["lake"]["keeps older versions"]


def test_a_bucket_that_is_not_there_is_a_problem(workspace: Workspace, object_store: ObjectStore) -> None:
    report = check_health(on_object_store(workspace, "s3://nowhere/lake"))
    assert not report["lake"]["writeable"]
    assert any("no such bucket: s3://nowhere/lake" in problem for problem in report["problems"])


def test_a_job_that_names_what_is_not_there_is_a_problem(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declaration, "JOB", declaration.JOB.model_copy(update={"model": "tests.nowhere:build"}))
    report = check_health(workspace)
    assert "declared wrongly" in report["jobs"]["meter_readings"]
    assert any("tests.nowhere:build cannot be imported" in problem for problem in report["problems"])


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({"features": (Feature("yeers"),)}, "no yeers"),
        ({"trailing": (Trailing(Aggregate("readings", ("meter_id",), "watts"), (1,)),)}, "no watts"),
        ({"lookups": (Lookup("tariffs", ("tariff",), ("tariff",), ("colour",)),)}, "no colour"),
    ],
)
def test_a_feature_of_a_column_that_is_not_there_is_a_problem(
    workspace: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch, features: dict[str, Any], problem: str
) -> None:
    """A misspelt name is found without data, before a night or a training stumbles over it."""
    misspelt = dataclasses.replace(FEATURES, version=2, **features)
    monkeypatch.setattr("tests.meter_readings.feature_set.FEATURES", misspelt)
    with pytest.raises(DeclarationError, match="columns that") as refused:
        load_feature_set(job)
    assert problem in str(refused.value.found)


def test_a_label_that_cannot_be_computed_is_a_problem(job: Job) -> None:
    misspelt = job.model_copy(update={"label": job.label.model_copy(update={"value": "kwhs"})})
    with pytest.raises(DeclarationError, match="columns that readings does not have"):
        load_feature_set(misspelt)
