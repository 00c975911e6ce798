"""Compare two generations: how many entities, decisions and scores differ, overall and by segment."""

from pipeline.stages.compare.attribution import Share, attribute_change
from pipeline.stages.compare.gate import Breach, find_breaches
from pipeline.stages.compare.tally import Difference, Scores, Tally, tally_scores

__all__ = ["Breach", "Difference", "Scores", "Share", "Tally", "attribute_change", "find_breaches", "tally_scores"]
