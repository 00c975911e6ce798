"""Every command explains itself, with an example that is a command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pipeline.cli.application import application
from tests.cli.conftest import Nightjar

GROUP = typer.main.get_command(application)
COMMANDS = sorted(GROUP.commands)  # type: ignore[attr-defined]


def test_every_command_that_is_promised_is_there() -> None:
    assert {
        "get",
        "status",
        "releases",
        "run",
        "train",
        "doctor",
        "demo",
        "up",
        "down",
        "upstream",
        "prune",
        "pin",
        "unpin",
    } <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_that_the_command_would_take(name: str) -> None:
    command = GROUP.commands[name]  # type: ignore[attr-defined]
    example = re.search(r"Example: `nightjar (.+?)`", command.help or "")
    assert example, f"nightjar {name} --help shows no example"
    first, *arguments = shlex.split(example[1])
    assert first == name
    if name != "land":  # whose file would have to be there
        command.make_context(name, arguments)


def test_the_page_of_operations_names_every_command() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text()
    table = page.partition("\n## Commands\n")[2].partition("\n## ")[0]
    assert [name for name in COMMANDS if f"`nightjar {name}" not in table] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_shown_and_is_no_error(name: str, nightjar: Nightjar) -> None:
    answer = nightjar(name, "--help")
    assert answer.code == 0
    assert "Example:" in answer.out


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"demo", "metrics", "up"}))
def test_every_command_that_answers_can_answer_in_json(name: str) -> None:
    command = GROUP.commands[name]  # type: ignore[attr-defined]
    assert "--json" in [option for parameter in command.params for option in parameter.opts]


def test_looking_for_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, pipeline.cli.application; "
        "heavy = ('pandas', 'pyarrow', 'pandera', 'sklearn', 'great_expectations', 'mlflow', 'airflow'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


ANSWERED_FOR = {"accept", "erase"}
DECIDED = {"approve", "demote", "pin", "promote", "reject", "republish", "rollback", "train", "unpin"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_decision_names_who_takes_it(name: str) -> None:
    """By default whoever is logged in; what a person answers for towards others wants a name."""
    command = GROUP.commands[name]  # type: ignore[attr-defined]
    required = [option.required for option in command.params if "--who" in option.opts]
    assert required == ([True] if name in ANSWERED_FOR else [False] if name in DECIDED else [])


@pytest.mark.parametrize("name", ["erase", "prune", "retain"])
def test_what_removes_shows_first_and_is_told_to_by_the_same_flag(name: str) -> None:
    command = GROUP.commands[name]  # type: ignore[attr-defined]
    (apply,) = [option for option in command.params if "--apply" in option.opts]
    assert (apply.default, apply.secondary_opts) == (False, ["--dry-run"])
