"""The documents that go with a deployment say what is there."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.deploy.compose import ROOT, load_compose, load_services

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    """Package names of requirements."""
    return {re.split(r"[<>=;\[ ]", requirement)[0] for requirement in requirements}


def test_every_direct_dependency_has_its_line_and_no_other() -> None:
    lines = re.findall(r"^\| ([\w.-]+) \|", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    explained = [line for line in lines if line != "package"]
    extras = [requirement for extra in PROJECT["optional-dependencies"].values() for requirement in extra]
    compared = re.findall(r"echo '(.+)' \|.+ requirements/feast\.lock", (ROOT / "Makefile").read_text())
    assert sorted(explained) == sorted(names(PROJECT["dependencies"] + extras + compared))


def test_deployment_page_names_every_service_and_volume() -> None:
    page = (ROOT / "docs/deployment.md").read_text()
    assert [name for name in [*load_services(), *load_compose()["volumes"]] if f"`{name}`" not in page] == []


PAGES = [str(path.relative_to(ROOT)) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])]


@pytest.mark.parametrize("page", PAGES)
def test_paths_that_are_named_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    linked = [(ROOT / page).parent / link for link in re.findall(r"\]\(([\w/.-]+)\)", text)]
    named = [ROOT / path for path in re.findall(r"`((?:deploy|tests|docs|requirements)/[\w/.-]+)`", text)]
    assert [str(path) for path in linked + named if not path.exists()] == []
