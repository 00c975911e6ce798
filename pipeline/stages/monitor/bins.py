"""Bins: learnt once of each feature from the rows that a model was trained on, then counted night after night.

Counts are whole numbers, so those of shards and nights add up exactly, in any order.  Values of people are among the
categories: only those of many rows have a bin of their own, or are written down at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.monitoring import Profile
from pipeline.stages.column_profiles import ColumnProfile, NumberProfile
from pipeline.stages.profile import QUANTILES
from pipeline.stages.profile import Profile as Statistics

MOST_BINS = 20
"""Bins of a feature of numbers; one of no more distinct values has a bin for each."""

MOST_CATEGORIES = 50
"""Categories with a bin of their own, the most frequent ones."""

FEWEST_ROWS = 10
"""Rows below which a category is not written down."""

_MOST_KNOWN = 1000
_LONGEST_NAME = 100


@dataclass(frozen=True)
class NumberBins:
    """Bins of numbers and booleans: below the first cut, from each cut to the next, and from the last one on.

    Attributes:
        labels: of these bins, in words; one more than there are cuts.
    """

    kind: ClassVar[str] = "number"
    cuts: tuple[float, ...]
    labels: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of every bin, that of missing values last."""
        return (*self.labels, "missing")

    def count(self, values: pd.Series) -> np.ndarray:
        """Rows in each bin."""
        numbers = values.to_numpy(dtype="float64", na_value=np.nan)
        missing = np.count_nonzero(np.isnan(numbers))
        below = [np.count_nonzero(numbers < cut) for cut in self.cuts]  # so few that searching them takes longer
        return np.append(np.diff([0, *below, len(numbers) - missing]), missing)

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :func:`read_bins` makes equal bins."""
        return {"kind": self.kind, "cuts": list(self.cuts), "bins": list(self.names)}


@dataclass(frozen=True)
class CategoryBins:
    """Bins of categories: one for each of ``own``, one for ``others``, one for what is in neither, one for missing."""

    kind: ClassVar[str] = "category"
    own: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of every bin, those of unknown and of missing values last."""
        return (*self.own, "other", "unknown", "missing")

    def count(self, values: pd.Series) -> np.ndarray:
        """Rows in each bin."""
        texts = pa.array(values, pa.string(), from_pandas=True)
        known = pa.array([*self.own, *self.others], pa.string())
        found = pc.index_in(pc.drop_null(texts), known)
        unknown = found.null_count
        places = np.minimum(pc.drop_null(found).to_numpy(zero_copy_only=False), len(self.own))
        return np.append(np.bincount(places.astype(np.int64), minlength=len(self.own) + 1), [unknown, texts.null_count])

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :func:`read_bins` makes equal bins."""
        return {"kind": self.kind, "own": list(self.own), "others": list(self.others), "bins": list(self.names)}


FeatureBins = NumberBins | CategoryBins
Bins = Mapping[str, FeatureBins]


@dataclass(frozen=True)
class Counts:
    """Rows in each bin of each feature; ``rows`` in all."""

    rows: int
    features: dict[str, tuple[int, ...]]


def learn_bins(matrix: pd.DataFrame) -> dict[str, FeatureBins]:
    """Bins of every feature.

    Numbers have bins of about as many rows each, between quantiles; categories have theirs by how frequent they are.
    What is in fewer than 10 rows counts as unknown, here and on every night.

    Args:
        matrix: one column a feature, of numbers, booleans or text.
    """
    return {name: _learn_feature(matrix[name]) for name in matrix.columns}


def count_frame(bins: Bins, matrix: pd.DataFrame) -> Counts:
    """Count the rows of ``matrix``, which has a column for each of the ``bins``."""
    counts = {name: tuple(of_feature.count(matrix[name]).tolist()) for name, of_feature in bins.items()}
    return Counts(len(matrix), counts)


def merge_counts(parts: Iterable[Counts]) -> Counts:
    """The counts of all rows together, over the same bins.

    Raises:
        ValueError: there is no part.
    """
    every = list(parts)
    if not every:
        raise ValueError("there are no counts to merge")
    features = {
        name: tuple(np.sum([part.features[name] for part in every], axis=0).tolist()) for name in every[0].features
    }
    return Counts(sum(part.rows for part in every), features)


def describe_counts(bins: Bins, counts: Counts, statistics: Statistics) -> Profile:
    """Counts as a JSON object: ``rows``, and for each of ``features`` its bins, ``counts``, ``nulls`` and ``unknown``.

    Args:
        statistics: of the features that are numbers, whose means and quantiles are told as well.
    """
    features = {}
    for name, of_feature in bins.items():
        counted = counts.features[name]
        features[name] = of_feature.to_json() | {
            "counts": list(counted),
            "nulls": counted[-1],
            "unknown": counted[-2] if isinstance(of_feature, CategoryBins) else 0,
            **(_describe_numbers(statistics.columns[name]) if isinstance(of_feature, NumberBins) else {}),
        }
    return {"rows": counts.rows, "features": features}


def read_bins(profile: Profile) -> dict[str, FeatureBins]:
    """The bins that a profile was counted over."""
    return {name: _read_feature(feature) for name, feature in profile["features"].items()}


def read_counts(profile: Profile) -> Counts:
    """The counts of a profile."""
    return Counts(profile["rows"], {name: tuple(item["counts"]) for name, item in profile["features"].items()})


def list_numbers(bins: Bins) -> list[str]:
    """The features that are numbers."""
    return [name for name, of_feature in bins.items() if isinstance(of_feature, NumberBins)]


def _learn_feature(values: pd.Series) -> FeatureBins:
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return _learn_numbers(values)
    return _learn_categories(values)


def _learn_numbers(values: pd.Series) -> NumberBins:
    numbers = values.dropna().to_numpy(dtype="float64")
    distinct = np.unique(numbers)
    if len(distinct) <= MOST_BINS:
        cuts = ((distinct[:-1] + distinct[1:]) / 2).tolist()
        return NumberBins(tuple(cuts), tuple(_show(value) for value in distinct) or ("any",))
    shares = np.arange(1, MOST_BINS) / MOST_BINS
    found = np.unique(np.quantile(numbers, shares, method="inverted_cdf"))
    cuts = found[found > distinct[0]].tolist() or [float(distinct[1])]  # nearly all of them are the smallest
    between = [f"{_show(low)} to {_show(high)}" for low, high in pairwise(cuts)]
    return NumberBins(tuple(cuts), (f"below {_show(cuts[0])}", *between, f"{_show(cuts[-1])} or more"))


def _learn_categories(values: pd.Series) -> CategoryBins:
    counted = values.dropna().astype("str").value_counts()
    frequent = [
        (name, rows) for name, rows in counted.items() if rows >= FEWEST_ROWS and len(str(name)) <= _LONGEST_NAME
    ]
    names = [str(name) for name, _ in sorted(frequent, key=lambda item: (-item[1], item[0]))][:_MOST_KNOWN]
    return CategoryBins(tuple(names[:MOST_CATEGORIES]), tuple(names[MOST_CATEGORIES:]))


def _read_feature(feature: Mapping[str, Any]) -> FeatureBins:
    if feature["kind"] == NumberBins.kind:
        return NumberBins(tuple(feature["cuts"]), tuple(feature["bins"][:-1]))
    return CategoryBins(tuple(feature["own"]), tuple(feature["others"]))


def _describe_numbers(column: ColumnProfile) -> dict[str, float | None]:
    if not isinstance(column, NumberProfile) or not column.count:
        return dict.fromkeys(("mean", *QUANTILES))
    quantiles = {label: column.quantile(share) for label, share in QUANTILES.items()}
    return {"mean": column.mean(), **quantiles}


def _show(number: float) -> str:
    return f"{number:.6g}"
