"""Releases for people: a manifest with its history, and the difference of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cli.output import console, print_facts, print_table

SHORT = 12
BAR = 40
SHOWN_SEGMENTS = 20
COLUMNS = ("before", "after", "lost", "gained", "flipped", "mean_before", "mean_after", "shift")


def print_explanation(manifest: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> None:
    """What a release was made from, what the gate said, and what became of it."""
    model, feature_set = manifest["model"], manifest["feature_set"]
    print_facts(
        f"release {manifest['generation']} of {manifest['job']}",
        {
            "partition": manifest["partition"],
            "cutoff": manifest["cutoff"],
            "basis": manifest["basis"],
            "known by": manifest["known_by"],
            "run": manifest["run"],
            "model": f"{model['version']} ({model['digest'][:SHORT]})",
            "feature set": f"{feature_set['name']} {feature_set['version']} ({feature_set['digest'][:SHORT]})",
            "code": manifest["code_version"],
            "inputs": manifest["inputs"][:SHORT],
            "scores": manifest["scores"]["digest"][:SHORT],
        },
    )
    print_table(
        "deliveries",
        ("source", "partition", "delivery", "contract", "received", "quarantined", "suite", "warnings"),
        [_describe_source(name, source) for name, source in manifest["sources"].items()],
    )
    print_table(
        "trailing windows",
        ("source", "partitions", "from", "to"),
        [
            (name, len(days), min(day["partition"] for day in days), max(day["partition"] for day in days))
            for name, days in manifest["trailing"].items()
            if days
        ],
    )
    if manifest["acceptances"]:
        print_table(
            "accepted as they are",
            ("source", "partition", "delivery", "who", "why", "problem"),
            [
                tuple(item[name] for name in ("source", "partition", "delivery", "who", "why", "problem"))
                for item in manifest["acceptances"]
            ],
        )
    print_facts("accounting", manifest["accounting"])
    _print_gate(manifest["gate"])
    stages = {name: timing["seconds"] for name, timing in manifest["timings"]["stages"].items()}
    print_facts("seconds", {**stages, **{f"publish: {k}": v for k, v in manifest["timings"]["publish"].items()}})
    print_table(
        "what became of it",
        ("when", "what", "who", "why"),
        [(event["at"], event["kind"].replace("_", " "), event["who"], event["why"]) for event in history],
    )


def print_difference(difference: Mapping[str, Any]) -> None:
    """How two releases differ, and what it came from."""
    before, after = difference["releases"]
    print_table(
        "releases",
        ("", "before", "after"),
        [
            (name.replace("_", " "), before[name], after[name])
            for name in ("generation", "partition", "basis", "model_version", "feature_set", "rows")
        ]
        + [(f"delivery of {name}", before["deliveries"][name], digest) for name, digest in after["deliveries"].items()],
    )
    shown = [difference["overall"], *sorted(difference["segments"], key=lambda item: -(item["shift"] or 0))]
    print_table(
        "entities and scores",
        ("segment", *(column.replace("_", " ") for column in COLUMNS)),
        [(_name(item), *(item[column] for column in COLUMNS)) for item in shown[: SHOWN_SEGMENTS + 1]],
    )
    if difference["remark"] is not None:
        console.print(difference["remark"], style="yellow", markup=False, soft_wrap=True)
    _print_histograms(difference["histograms"])
    attribution = difference["attribution"]
    if attribution["method"] is None:
        console.print(f"what it came from cannot be told: {attribution['why_not']}", markup=False, soft_wrap=True)
        return
    largest = sorted(attribution["groups"], key=lambda group: (group["column"] != "", -abs(group["mean"]["change"])))
    print_table(
        "change of the mean score, and what it came from",
        ("segment", "change", "model", "data", "features"),
        [
            (_name(group), *(f"{group['mean'][part]:+.6f}" for part in ("change", "model", "data", "features")))
            for group in largest[: SHOWN_SEGMENTS + 1]
        ],
    )
    console.print(f"attributed as {attribution['method']}", markup=False, soft_wrap=True)


def _describe_source(name: str, source: Mapping[str, Any]) -> tuple[Any, ...]:
    delivery, suite = source["delivery"], source["suite"]
    judged = (None, None) if suite is None else (suite["digest"][:SHORT], len(suite["warnings"]))
    digests = (delivery["partition"], delivery["digest"][:SHORT], source["contract"][:SHORT])
    return (name, *digests, source["received"], source["quarantined"], *judged)


def _print_gate(gate: Mapping[str, Any]) -> None:
    print_facts("release gate", {"result": gate["result"].replace("_", " "), "why": gate["why"]})
    if gate["breaches"]:
        print_table(
            "breaches",
            ("segment", "measure", "found", "limit"),
            [
                (_name(breach), breach["measure"].replace("_", " "), breach["found"], breach["limit"])
                for breach in gate["breaches"][:SHOWN_SEGMENTS]
            ],
        )


def _print_histograms(histograms: Mapping[str, Any]) -> None:
    before, after = histograms["before"], histograms["after"]
    low, high = histograms["low"], histograms["high"]
    width = (high - low) / len(before)
    longest = max(*before, *after, 1)
    print_table(
        "scores",
        ("from", "before", "", "after", ""),
        [
            (f"{low + number * width:.3g}", one, _draw_bar(one / longest), other, _draw_bar(other / longest))
            for number, (one, other) in enumerate(zip(before, after, strict=True))
            if one or other
        ],
    )


def _draw_bar(share: float) -> str:
    return "█" * round(BAR * share)


def _name(item: Mapping[str, Any]) -> str:
    return f"{item['column']} {item['value']}" if item["column"] else "all"
