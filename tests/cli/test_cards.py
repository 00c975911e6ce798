"""The command that shows a model's card."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import JOB, Nightjar
from tests.tasks.nights import NIGHTS


@pytest.fixture
def version(nightjar: Nightjar) -> str:
    """A model that was trained a moment ago."""
    trained = nightjar("train", JOB, "--partition", NIGHTS[1], "--json")
    assert trained.code == 0, trained.error
    (evaluated,) = [summary for summary in trained.json if "card" in summary]
    assert evaluated["card_warning"] is None
    return str(evaluated["model_version"])


def test_a_card_is_printed_or_written_as_text_page_and_numbers(
    nightjar: Nightjar, version: str, tmp_path: Path
) -> None:
    printed = nightjar("card", JOB, version)
    assert (printed.code, printed.out.split("\n")[0]) == (0, f"# Model {version} of {JOB}")
    assert nightjar("card", JOB, version, "--html").out.startswith("<!DOCTYPE html>")
    assert nightjar("card", JOB, version, "--json").json["version"] == version
    path = tmp_path / "card.html"
    assert nightjar("card", JOB, version, "--html", "--out", str(path)).out == ""
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    nightjar("card", JOB, version, "--out", str(path))
    assert path.read_text(encoding="utf-8") == printed.out[:-1]
    assert nightjar("card", JOB, version, "--html", "--json").code == 2


def test_a_version_without_a_card_is_an_error_that_says_what_to_do(nightjar: Nightjar) -> None:
    answer = nightjar("card", JOB, "1")
    assert answer.code == 1
    assert "model 1 has no card" in answer.error
    assert f"nightjar train {JOB}" in answer.error
