"""Card: the numbers that a model card shows, as values for JSON.

What they are made of stays among the rows: every number but a segment's name is of many rows, and has four digits.
"""

from pipeline.stages.card.caveats import list_caveats
from pipeline.stages.card.curves import compute_bins, compute_residuals, compute_roc
from pipeline.stages.card.importance import measure_importance
from pipeline.stages.card.parts import conceal_segments, measure_partitions, measure_segments

__all__ = [
    "compute_bins",
    "compute_residuals",
    "compute_roc",
    "conceal_segments",
    "list_caveats",
    "measure_importance",
    "measure_partitions",
    "measure_segments",
]
