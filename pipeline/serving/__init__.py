"""What applications read predictions with.  Needs redis and the standard library, nothing else."""

from pipeline.serving.answers import Prediction, Reasons
from pipeline.serving.errors import PartitionNotKept, StoreUnavailable, Unhealthy
from pipeline.serving.overview import Release, Status
from pipeline.serving.reader import AsyncReader, Reader

__all__ = [
    "AsyncReader",
    "PartitionNotKept",
    "Prediction",
    "Reader",
    "Reasons",
    "Release",
    "Status",
    "StoreUnavailable",
    "Unhealthy",
]
