"""The publishing side of the Redis contract: load a generation, read it back, make it live."""

from pipeline.stores.predictions.decisions import Decision, Pin, Rejection
from pipeline.stores.predictions.erasure import Holding
from pipeline.stores.predictions.registry import Generation, Live
from pipeline.stores.predictions.store import Flip, PredictionStore, Rollback

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
]
