"""The publishing side of the Redis contract: load a generation, read it back, make it live."""

from pipeline.stores.predictions.decisions import Decision, Pin, Rejection
from pipeline.stores.predictions.erasure import Holding
from pipeline.stores.predictions.moves import Flip, Rollback
from pipeline.stores.predictions.refusals import UnevenIdsError
from pipeline.stores.predictions.registry import Generation, Live
from pipeline.stores.predictions.store import PredictionStore

__all__ = [
    "Decision",
    "Flip",
    "Generation",
    "Holding",
    "Live",
    "Pin",
    "PredictionStore",
    "Rejection",
    "Rollback",
    "UnevenIdsError",
]
