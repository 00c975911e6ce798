"""Exit codes and errors: for shells, for machines, for people."""

from __future__ import annotations

import json

import pytest

from pipeline.cli import application as application_module
from tests.cli.conftest import JOB, Nightjar
from tests.tasks.nights import LIVE


def test_an_error_is_whole_on_the_error_stream(nightjar: Nightjar) -> None:
    answer = nightjar("run", "trains", "--partition", LIVE)
    assert (answer.code, answer.out) == (1, "")
    assert "there is no job 'trains'" in answer.error
    assert "flight_delays, meter_readings" in answer.error


def test_an_error_in_json(nightjar: Nightjar) -> None:
    answer = nightjar("run", JOB, "--partition", "2024-02-30", "--json")
    assert (answer.code, answer.out) == (1, "")
    error = json.loads(answer.error)
    assert (error["error"], error["job"], error["expected"]) == ("BadInputError", JOB, "YYYY-MM-DD")


def test_an_open_partition_is_refused(nightjar: Nightjar) -> None:
    answer = nightjar("run", JOB, "--partition", "2999-01-01", "--json")
    assert answer.code == 1
    assert json.loads(answer.error)["error"] == "NotReadyError"


@pytest.mark.parametrize("command", [["status"], ["get"], ["releases"], ["run", "--partition", LIVE]])
def test_a_redis_that_is_down_may_be_tried_again(
    nightjar: Nightjar, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("NIGHTJAR_REDIS_URL", "redis://:hush@127.0.0.1:1/0")
    name, *options = command
    answer = nightjar(name, JOB, *(["17"] if name == "get" else []), *options)
    assert answer.code == 75
    assert "127.0.0.1:1" in answer.error
    assert "hush" not in answer.error


def test_nothing_live_yet_is_an_error_of_its_own(nightjar: Nightjar) -> None:
    answer = nightjar("get", JOB, "17", "--json")
    assert answer.code == 1
    assert json.loads(answer.error)["error"] == "Unhealthy"


@pytest.mark.parametrize(
    "arguments",
    [["run", JOB], ["run"], ["fly"], ["status", JOB, "--colour"], ["land", JOB, "meters", "/nowhere.parquet"]],
)
def test_a_wrong_command_line_is_two(nightjar: Nightjar, arguments: list[str]) -> None:
    answer = nightjar(*arguments)
    assert answer.code == 2
    assert answer.error


def test_a_user_without_a_name_says_who_decides(nightjar: Nightjar, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number."""

    def find_none() -> str:
        raise KeyError("getpwuid(): uid not found: 1000700000")

    monkeypatch.setattr("getpass.getuser", find_none)
    answer = nightjar("rollback", JOB, "--why", "too warm")
    assert answer.code == 2
    assert "--who" in answer.error


@pytest.mark.parametrize("ids", [[""], ["a\nb"], ["x" * 65]])
def test_an_id_that_can_be_none_is_refused(nightjar: Nightjar, ids: list[str]) -> None:
    answer = nightjar("get", JOB, *ids)
    assert answer.code == 1
    assert "1 to 64 bytes" in answer.error


def test_an_interrupt(nightjar: Nightjar, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(application_module, "application", interrupt)
    assert nightjar("jobs").code == 130
