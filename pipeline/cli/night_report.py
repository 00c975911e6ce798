"""Nights for people: what the stages of a run are called, where the rows went, what readers are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.cli.output import console, print_facts

DRY_RUN = "dry_run"


def name_stage(record: Mapping[str, Any]) -> str:
    """The stage of a record; of a publication that was to leave nothing it says so."""
    return f"{record['stage']} (dry run)" if record.get("result") == DRY_RUN else str(record["stage"])


def print_published(record: Mapping[str, Any]) -> None:
    """Where the rows of the population went, and the caveats that readers get with every answer."""
    names = {"published": "would be published"} if record["result"] == DRY_RUN else {}
    print_facts("accounting", {names.get(name, name): rows for name, rows in record["accounting"].items()})
    print_caveats(record.get("caveats", ()))


def print_caveats(caveats: Iterable[str]) -> None:
    """One a line."""
    for caveat in caveats:
        console.print(f"caveat: {caveat}", style="yellow", markup=False, soft_wrap=True)
