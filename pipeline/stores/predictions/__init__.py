"""The publishing side of the Redis contract: load a generation, read it back, make it live."""

from pipeline.stores.predictions.load import Load, UnevenIdsError
from pipeline.stores.predictions.registry import Generation, Live
from pipeline.stores.predictions.store import Flip, PredictionStore

__all__ = ["Flip", "Generation", "Live", "Load", "PredictionStore", "UnevenIdsError"]
