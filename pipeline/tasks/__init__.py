"""The one place where stages meet stores: load, stage, save, report."""

from pipeline.tasks.grading import grade
from pipeline.tasks.health import check_health
from pipeline.tasks.night import build_features, ingest, publish, score, validate
from pipeline.tasks.partitions import deliveries_ready, newest_closed_partition, parse_partition, resolve_partition
from pipeline.tasks.quarantine import read_quarantine
from pipeline.tasks.retraining import evaluate, promote, snapshot, train
from pipeline.tasks.runs import read_run
from pipeline.tasks.upstream import land_upstream
from pipeline.tasks.workspace import Workspace, open_workspace

__all__ = [
    "Workspace",
    "build_features",
    "check_health",
    "deliveries_ready",
    "evaluate",
    "grade",
    "ingest",
    "land_upstream",
    "newest_closed_partition",
    "open_workspace",
    "parse_partition",
    "promote",
    "publish",
    "read_quarantine",
    "read_run",
    "resolve_partition",
    "score",
    "snapshot",
    "train",
    "validate",
]
