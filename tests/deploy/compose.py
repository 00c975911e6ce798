"""The compose file as Docker Compose would read it: merged, with variables filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]

# ${NAME}, ${NAME:-default} or ${NAME:?message}; $$ stands for one dollar sign.
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Z_]+)(?:(?P<kind>:-|:\?)(?P<rest>[^}]*))?\}")


def read_text() -> str:
    """The file as written."""
    return (ROOT / "docker-compose.yml").read_text()


def load_compose() -> dict[str, Any]:
    """The parsed file, anchors merged and variables not yet filled in."""
    loaded: dict[str, Any] = yaml.safe_load(read_text())
    return loaded


def load_services() -> dict[str, dict[str, Any]]:
    """Every service by name."""
    services: dict[str, dict[str, Any]] = load_compose()["services"]
    return services


def load_schema() -> dict[str, Any]:
    """The JSON schema of the Compose Specification (``compose-spec.LICENSE`` says where it comes from)."""
    schema: dict[str, Any] = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    return schema


def used_variables() -> dict[str, tuple[str, str]]:
    """Every ``${NAME…}`` by name: how it is written (``:?``, ``:-`` or empty) and what follows."""
    used: dict[str, tuple[str, str]] = {}
    for match in VARIABLE.finditer(read_text()):
        if match["name"]:
            found = (match["kind"] or "", match["rest"] or "")
            assert used.setdefault(match["name"], found) == found, f"{match['name']} is written in two ways"
    return used


def fill_in(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with its variables filled in from ``variables``.

    Raises:
        KeyError: a required variable is unset or empty.
    """

    def replace(match: re.Match[str]) -> str:
        if not match["name"]:
            return "$"
        value = variables.get(match["name"], "")
        if not value and match["kind"] == ":?":
            raise KeyError(match["name"])
        return value or (match["rest"] or "" if match["kind"] == ":-" else "")

    return VARIABLE.sub(replace, text)


def read_env_file(text: str) -> dict[str, str]:
    """The variables of a file such as ``.env``."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
