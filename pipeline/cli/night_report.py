"""Nights for people: what the stages of a run are called, where the rows went, what readers are told, what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.cli.output import console, print_facts, print_table

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


def print_seen(watched: Mapping[str, Any]) -> None:
    """What watching a night found: what is beyond its limit, and the alarms that follow."""
    if not watched["watched"]:
        console.print(f"not watched: {watched['why']}", markup=False, soft_wrap=True)
        return
    if watched["breached"]:
        print_table(
            "beyond what is usual",
            ("signal", "value", "usual", "furthest out"),
            [
                (
                    signal["name"],
                    describe_value(signal["value"], signal["unit"]),
                    describe_usual(signal),
                    ", ".join(part["name"] for part in signal["worst"][:3]) or None,
                )
                for signal in watched["breached"]
            ],
        )
    else:
        waiting = f", {len(watched['muted'])} signals do not count yet or tonight" if watched["muted"] else ""
        console.print(f"watched: nothing is beyond what is usual{waiting}", markup=False, soft_wrap=True)
    print_alarms(watched)
    if watched["ask"] is not None:
        console.print(f"a training is called for: {watched['ask']}", style="yellow", markup=False, soft_wrap=True)


def print_alarms(judged: Mapping[str, Any]) -> None:
    """The signals whose alarm was raised or resolved, or closed although nobody knows whether they are well."""
    for name in judged["raised"]:
        console.print(f"alarm: {name}", style="red", markup=False)
    for name in judged["resolved"]:
        console.print(f"resolved: {name}", style="green", markup=False)
    for name in judged["unjudged"]:
        console.print(f"closed without being judged: {name}", style="yellow", markup=False)


def describe_value(value: float | None, unit: str) -> str | None:
    """Such as ``0.0312 share`` or ``812 MiB``."""
    if value is None:
        return None
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    return f"{value:.4g} {unit}".strip()


def describe_usual(signal: Mapping[str, Any]) -> str | None:
    """From where to where a signal is usual."""
    lower, upper = (describe_value(signal[side], signal["unit"]) for side in ("lower", "upper"))
    if lower is not None and upper is not None:
        return f"{lower} to {upper}"
    return f"up to {upper}" if upper is not None else None if lower is None else f"from {lower}"
