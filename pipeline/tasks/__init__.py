"""The one place where stages meet stores: load, stage, save, report.

A name's module is imported when the name is first used: a rollback does not wait for the libraries of scoring.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.tasks.acceptances import accept_delivery, accept_missing
    from pipeline.tasks.approving import approve_release, decline_release
    from pipeline.tasks.basis import parse_basis
    from pipeline.tasks.differing import diff_releases
    from pipeline.tasks.erasing import count_found, erase_entity, find_entity
    from pipeline.tasks.explaining import explain_release
    from pipeline.tasks.grading import grade
    from pipeline.tasks.health import check_health
    from pipeline.tasks.night import approve, build_features, ingest, publish, score, validate
    from pipeline.tasks.partitions import deliveries_ready, newest_closed_partition, parse_partition, resolve_partition
    from pipeline.tasks.pinning import pin_release, unpin_release
    from pipeline.tasks.quarantine import read_quarantine
    from pipeline.tasks.redeliveries import find_affected
    from pipeline.tasks.restoring import republish
    from pipeline.tasks.retention import apply_retention, plan_retention, summarise_retention
    from pipeline.tasks.retraining import evaluate, promote, snapshot, train
    from pipeline.tasks.rolling_back import choose_rollback, roll_back
    from pipeline.tasks.runs import read_run
    from pipeline.tasks.upstream import land_upstream
    from pipeline.tasks.workspace import Workspace, open_workspace

_MODULES = {
    "Workspace": "workspace",
    "accept_delivery": "acceptances",
    "accept_missing": "acceptances",
    "apply_retention": "retention",
    "approve": "night",
    "approve_release": "approving",
    "build_features": "night",
    "check_health": "health",
    "choose_rollback": "rolling_back",
    "count_found": "erasing",
    "decline_release": "approving",
    "deliveries_ready": "partitions",
    "diff_releases": "differing",
    "erase_entity": "erasing",
    "evaluate": "retraining",
    "explain_release": "explaining",
    "find_affected": "redeliveries",
    "find_entity": "erasing",
    "grade": "grading",
    "ingest": "night",
    "land_upstream": "upstream",
    "newest_closed_partition": "partitions",
    "open_workspace": "workspace",
    "parse_basis": "basis",
    "parse_partition": "partitions",
    "pin_release": "pinning",
    "plan_retention": "retention",
    "promote": "retraining",
    "publish": "night",
    "read_quarantine": "quarantine",
    "read_run": "runs",
    "republish": "restoring",
    "resolve_partition": "partitions",
    "roll_back": "rolling_back",
    "score": "night",
    "snapshot": "retraining",
    "summarise_retention": "retention",
    "train": "retraining",
    "unpin_release": "pinning",
    "validate": "night",
}

__all__ = [
    "Workspace",
    "accept_delivery",
    "accept_missing",
    "apply_retention",
    "approve",
    "approve_release",
    "build_features",
    "check_health",
    "choose_rollback",
    "count_found",
    "decline_release",
    "deliveries_ready",
    "diff_releases",
    "erase_entity",
    "evaluate",
    "explain_release",
    "find_affected",
    "find_entity",
    "grade",
    "ingest",
    "land_upstream",
    "newest_closed_partition",
    "open_workspace",
    "parse_basis",
    "parse_partition",
    "pin_release",
    "plan_retention",
    "promote",
    "publish",
    "read_quarantine",
    "read_run",
    "republish",
    "resolve_partition",
    "roll_back",
    "score",
    "snapshot",
    "summarise_retention",
    "train",
    "unpin_release",
    "validate",
]


if not TYPE_CHECKING:  # where types are checked, a name that is not imported above must not pass

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = found
        return found
