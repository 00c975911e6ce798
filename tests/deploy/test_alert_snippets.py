"""What the page about alerts tells people to paste is what Compose, Kubernetes and the command line take."""

from __future__ import annotations

import re
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # no stubs among the dependencies
import pytest
import typer
import yaml

from pipeline.cli.application import application
from tests.deploy.compose import ROOT, fill_in, load_schema, load_services, read_env_file

PAGE = (ROOT / "docs/alerts.md").read_text()
COMPOSE, CRON_JOB = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
SERVICE: dict[str, Any] = COMPOSE["services"]["check"]


def test_the_service_follows_the_compose_specification() -> None:
    jsonschema.Draft202012Validator(load_schema()).validate(COMPOSE)


def test_the_service_extends_one_that_has_lake_channels_and_redis() -> None:
    extended = load_services()[SERVICE["extends"]["service"]]
    assert (ROOT / SERVICE["extends"]["file"]).exists()
    assert {"NIGHTJAR_LAKE", "NIGHTJAR_ALERT_WEBHOOK", "NIGHTJAR_SMTP_URL"} <= set(extended["environment"])
    assert "lake:/var/lib/nightjar/lake" in extended["volumes"]
    known = dict.fromkeys(read_env_file((ROOT / ".env.example").read_text()), "given")
    assert fill_in(SERVICE["environment"]["NIGHTJAR_REDIS_READER_URL"], known).startswith(
        "redis://reader:given@serving:"
    )


@pytest.mark.parametrize("found", sorted(set(re.findall(r"nightjar[\", ]+check[\", ]*(?:--tell)?", PAGE))))
def test_every_command_is_one(found: str) -> None:
    _, name, *options = re.findall(r"[\w-]+", found)
    command = typer.main.get_command(application).commands[name]  # type: ignore[attr-defined]
    command.make_context(name, list(options))


def test_the_cron_job_tells_and_is_not_tried_again_at_once() -> None:
    spec = CRON_JOB["spec"]["jobTemplate"]["spec"]
    assert CRON_JOB["spec"]["concurrencyPolicy"] == "Forbid"
    assert spec["backoffLimit"] == 0
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["nightjar", "check", "--tell"]
