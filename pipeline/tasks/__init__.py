"""The one place where stages meet stores: load, stage, save, report.

A name's module is imported when the name is first used: a rollback does not wait for the libraries of scoring.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.tasks.acceptances import accept_delivery, accept_missing
    from pipeline.tasks.alerting import tell_alarms, tell_failure
    from pipeline.tasks.approving import approve_release, decline_release
    from pipeline.tasks.basis import parse_basis
    from pipeline.tasks.carding import write_card
    from pipeline.tasks.checking import check_jobs
    from pipeline.tasks.deciding import demote_model, list_models, promote_model, reject_challenger
    from pipeline.tasks.differing import diff_releases
    from pipeline.tasks.erasing import count_found, erase_entity, find_entity
    from pipeline.tasks.explaining import explain_release
    from pipeline.tasks.grading import grade
    from pipeline.tasks.health import check_health
    from pipeline.tasks.monitoring.alarming import list_alarms
    from pipeline.tasks.monitoring.asking import find_ask
    from pipeline.tasks.monitoring.feedback import grade_closed
    from pipeline.tasks.monitoring.watching import watch
    from pipeline.tasks.night import approve, build_features, ingest, publish, score, validate
    from pipeline.tasks.partitions import (
        check_closed,
        deliveries_ready,
        newest_closed_partition,
        parse_partition,
        resolve_partition,
    )
    from pipeline.tasks.pinning import pin_release, unpin_release
    from pipeline.tasks.promoting import find_cool_down, promote
    from pipeline.tasks.proving import compile_trees, prove
    from pipeline.tasks.quarantine import read_quarantine
    from pipeline.tasks.redeliveries import find_affected
    from pipeline.tasks.replaying.policies import choose_policies
    from pipeline.tasks.replaying.whole import replay
    from pipeline.tasks.restoring import republish
    from pipeline.tasks.retention import apply_retention, plan_retention, summarise_retention
    from pipeline.tasks.retraining import evaluate, snapshot, train
    from pipeline.tasks.rolling_back import choose_rollback, roll_back
    from pipeline.tasks.runs import read_run
    from pipeline.tasks.settling import settle_shadow
    from pipeline.tasks.shadowing import score_shadows
    from pipeline.tasks.shifting import explain_shift
    from pipeline.tasks.upstream import land_upstream
    from pipeline.tasks.viewing.distributions import view_feature
    from pipeline.tasks.viewing.jobs import describe_job, identify_view, view_job
    from pipeline.tasks.viewing.live import view_live
    from pipeline.tasks.viewing.nights import view_night
    from pipeline.tasks.viewing.reports import write_night_report
    from pipeline.tasks.workspace import Workspace, open_workspace

_MODULES = {
    "Workspace": "workspace",
    "accept_delivery": "acceptances",
    "accept_missing": "acceptances",
    "apply_retention": "retention",
    "approve": "night",
    "approve_release": "approving",
    "build_features": "night",
    "check_closed": "partitions",
    "check_health": "health",
    "check_jobs": "checking",
    "choose_policies": "replaying.policies",
    "choose_rollback": "rolling_back",
    "compile_trees": "proving",
    "count_found": "erasing",
    "decline_release": "approving",
    "deliveries_ready": "partitions",
    "demote_model": "deciding",
    "describe_job": "viewing.jobs",
    "diff_releases": "differing",
    "erase_entity": "erasing",
    "evaluate": "retraining",
    "explain_release": "explaining",
    "explain_shift": "shifting",
    "find_affected": "redeliveries",
    "find_ask": "monitoring.asking",
    "find_cool_down": "promoting",
    "find_entity": "erasing",
    "grade": "grading",
    "grade_closed": "monitoring.feedback",
    "identify_view": "viewing.jobs",
    "ingest": "night",
    "land_upstream": "upstream",
    "list_alarms": "monitoring.alarming",
    "list_models": "deciding",
    "newest_closed_partition": "partitions",
    "open_workspace": "workspace",
    "parse_basis": "basis",
    "parse_partition": "partitions",
    "pin_release": "pinning",
    "plan_retention": "retention",
    "promote": "promoting",
    "promote_model": "deciding",
    "prove": "proving",
    "publish": "night",
    "read_quarantine": "quarantine",
    "read_run": "runs",
    "reject_challenger": "deciding",
    "replay": "replaying.whole",
    "republish": "restoring",
    "resolve_partition": "partitions",
    "roll_back": "rolling_back",
    "score": "night",
    "score_shadows": "shadowing",
    "settle_shadow": "settling",
    "snapshot": "retraining",
    "summarise_retention": "retention",
    "tell_alarms": "alerting",
    "tell_failure": "alerting",
    "train": "retraining",
    "unpin_release": "pinning",
    "validate": "night",
    "view_feature": "viewing.distributions",
    "view_job": "viewing.jobs",
    "view_live": "viewing.live",
    "view_night": "viewing.nights",
    "watch": "monitoring.watching",
    "write_card": "carding",
    "write_night_report": "viewing.reports",
}

__all__ = [
    "Workspace",
    "accept_delivery",
    "accept_missing",
    "apply_retention",
    "approve",
    "approve_release",
    "build_features",
    "check_closed",
    "check_health",
    "check_jobs",
    "choose_policies",
    "choose_rollback",
    "compile_trees",
    "count_found",
    "decline_release",
    "deliveries_ready",
    "demote_model",
    "describe_job",
    "diff_releases",
    "erase_entity",
    "evaluate",
    "explain_release",
    "explain_shift",
    "find_affected",
    "find_ask",
    "find_cool_down",
    "find_entity",
    "grade",
    "grade_closed",
    "identify_view",
    "ingest",
    "land_upstream",
    "list_alarms",
    "list_models",
    "newest_closed_partition",
    "open_workspace",
    "parse_basis",
    "parse_partition",
    "pin_release",
    "plan_retention",
    "promote",
    "promote_model",
    "prove",
    "publish",
    "read_quarantine",
    "read_run",
    "reject_challenger",
    "replay",
    "republish",
    "resolve_partition",
    "roll_back",
    "score",
    "score_shadows",
    "settle_shadow",
    "snapshot",
    "summarise_retention",
    "tell_alarms",
    "tell_failure",
    "train",
    "unpin_release",
    "validate",
    "view_feature",
    "view_job",
    "view_live",
    "view_night",
    "watch",
    "write_card",
    "write_night_report",
]


if not TYPE_CHECKING:  # where types are checked, a name that is not imported above must not pass

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = found
        return found
