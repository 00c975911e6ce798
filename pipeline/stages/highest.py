"""Highest: the highest predictions of a night and what they were made from, kept shard by shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class Highest:
    """The highest of some predictions, highest first; of equal ones those whose ids come first.

    Attributes:
        scores: ``entity_id`` and ``prediction``.
        features: as built, of the same rows.
    """

    scores: pd.DataFrame
    features: pd.DataFrame


def take_highest(scores: pd.DataFrame, features: pd.DataFrame, most: int) -> Highest:
    """At most so many predictions.

    Args:
        scores: ``entity_id`` and ``prediction``, in any order.
        features: of the same rows, in the same order.
    """
    rows = _find_highest(scores.reset_index(drop=True), most)
    return Highest(scores.iloc[rows].reset_index(drop=True), features.iloc[rows].reset_index(drop=True))


def merge_highest(shards: Sequence[Highest], most: int) -> Highest:
    """At most so many predictions of all shards; of each at least as many must have been taken."""
    scores = pd.concat([shard.scores for shard in shards], ignore_index=True)
    return take_highest(scores, pd.concat([shard.features for shard in shards], ignore_index=True), most)


def _find_highest(scores: pd.DataFrame, most: int) -> npt.NDArray[np.int64]:
    """Positions of the highest predictions, highest first."""
    if not most:
        return np.array([], dtype="int64")
    if len(scores) > most:  # sorting all of them takes longer than everything else
        least = np.partition(scores["prediction"].to_numpy(), -most)[-most]
        scores = scores[scores["prediction"] >= least]
    ranked = scores.sort_values(["prediction", "entity_id"], ascending=[False, True], kind="stable")
    return ranked.index.to_numpy()[:most]
