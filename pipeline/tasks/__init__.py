"""The one place where stages meet stores: load, stage, save, report."""

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
