"""Exact, mergeable statistics of one column: of numbers, of text, or of presence alone.

Everything is a whole number or an extreme, so merging is associative and commutative to the last bit.

* Quantiles come from a fixed logarithmic grid in the manner of DDSketch (Masson, Rim, Lee 2019): a bucket is a number's
  sign, exponent and first 7 bits of mantissa.  The estimate is the bucket's end nearer to zero: at most 1/128 too small
  in magnitude, and exact for whole numbers up to 256.
* Categories are counted while there are at most 1000 of them, each at most 100 characters long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.stages.exact_sums import fraction_from_json, fraction_to_json, square_root, sum_exactly, to_float

MAX_CATEGORIES = 1000
MAX_CATEGORY_LENGTH = 100

_BUCKET_SHIFT = 52 - 7
_SIZE_BITS = (1 << (63 - _BUCKET_SHIFT)) - 1
_Key = TypeVar("_Key", bound=int | str)


@dataclass(frozen=True)
class NumberProfile:
    """Numbers of a column.  Missing and infinite ones are counted and take part in nothing else.

    Attributes:
        total, squares: exact sum and sum of squares.
        buckets: numbers per bucket of the logarithmic grid.
    """

    kind: ClassVar[str] = "number"
    nulls: int = 0
    infinite: int = 0
    count: int = 0
    minimum: float | None = None
    maximum: float | None = None
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)
    buckets: dict[int, int] = field(default_factory=dict)

    def merge(self, other: NumberProfile) -> NumberProfile:
        """The profile of both columns' numbers together."""
        return NumberProfile(
            self.nulls + other.nulls,
            self.infinite + other.infinite,
            self.count + other.count,
            min((low for low in (self.minimum, other.minimum) if low is not None), default=None),
            max((high for high in (self.maximum, other.maximum) if high is not None), default=None),
            self.total + other.total,
            self.squares + other.squares,
            _add_counts(self.buckets, other.buckets),
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :meth:`from_json` makes an equal profile."""
        return {
            "kind": self.kind,
            "nulls": self.nulls,
            "infinite": self.infinite,
            "count": self.count,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "total": fraction_to_json(self.total),
            "squares": fraction_to_json(self.squares),
            "buckets": [[bucket, self.buckets[bucket]] for bucket in sorted(self.buckets)],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> NumberProfile:
        """The profile that ``value`` was made from."""
        return cls(
            value["nulls"],
            value["infinite"],
            value["count"],
            value["minimum"],
            value["maximum"],
            fraction_from_json(value["total"]),
            fraction_from_json(value["squares"]),
            dict(value["buckets"]),
        )

    def mean(self) -> float:
        """Arithmetic mean, correctly rounded; NaN of nothing."""
        return to_float(self.total / self.count) if self.count else math.nan

    def std(self) -> float:
        """Population standard deviation; NaN of nothing."""
        if not self.count:
            return math.nan
        mean = self.total / self.count
        return square_root(self.squares / self.count - mean * mean)

    def quantile(self, share: float) -> float:
        """The number at position ``floor(share * (count - 1))`` in ascending order, estimated; NaN of nothing."""
        if self.minimum is None or self.maximum is None:
            return math.nan
        left = math.floor(share * (self.count - 1))
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left < 0:
                return min(max(_bucket_value(bucket), self.minimum), self.maximum)
        raise AssertionError("the buckets hold fewer numbers than were counted")


@dataclass(frozen=True)
class CategoryProfile:
    """Text of a column.

    Attributes:
        counts: rows per category; None once there were too many or too long ones.
    """

    kind: ClassVar[str] = "category"
    nulls: int = 0
    count: int = 0
    counts: dict[str, int] | None = field(default_factory=dict)

    def merge(self, other: CategoryProfile) -> CategoryProfile:
        """The profile of both columns' texts together."""
        counts = None if self.counts is None or other.counts is None else _add_counts(self.counts, other.counts)
        if counts is not None and len(counts) > MAX_CATEGORIES:
            counts = None
        return CategoryProfile(self.nulls + other.nulls, self.count + other.count, counts)

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :meth:`from_json` makes an equal profile."""
        return {"kind": self.kind, "nulls": self.nulls, "count": self.count, "counts": self.counts}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> CategoryProfile:
        """The profile that ``value`` was made from."""
        return cls(value["nulls"], value["count"], value["counts"])

    def share(self, category: str) -> float:
        """Share of ``category`` in the texts that are there; NaN of nothing or of too many categories."""
        return self.counts.get(category, 0) / self.count if self.count and self.counts is not None else math.nan


@dataclass(frozen=True)
class PresenceProfile:
    """A column of which only presence is of interest, such as a timestamp."""

    kind: ClassVar[str] = "presence"
    nulls: int = 0

    def merge(self, other: PresenceProfile) -> PresenceProfile:
        """The profile of both columns together."""
        return PresenceProfile(self.nulls + other.nulls)

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :meth:`from_json` makes an equal profile."""
        return {"kind": self.kind, "nulls": self.nulls}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> PresenceProfile:
        """The profile that ``value`` was made from."""
        return cls(value["nulls"])


ColumnProfile = NumberProfile | CategoryProfile | PresenceProfile

_KINDS: dict[str, type[ColumnProfile]] = {
    NumberProfile.kind: NumberProfile,
    CategoryProfile.kind: CategoryProfile,
    PresenceProfile.kind: PresenceProfile,
}


def merge_columns(one: ColumnProfile, other: ColumnProfile) -> ColumnProfile:
    """The profile of the rows of both.

    Raises:
        ValueError: one is of numbers and the other is of text.
    """
    match one, other:
        case NumberProfile(), NumberProfile():
            return one.merge(other)
        case CategoryProfile(), CategoryProfile():
            return one.merge(other)
        case PresenceProfile(), PresenceProfile():
            return one.merge(other)
    raise ValueError(f"a {one.kind} profile and a {other.kind} profile do not merge")


def column_from_json(value: dict[str, Any]) -> ColumnProfile:
    """The column profile that ``value`` was made from."""
    return _KINDS[value["kind"]].from_json(value)


def profile_column(values: pd.Series) -> ColumnProfile:
    """The profile of ``values``: of numbers and booleans (as 0 and 1), of text, or else of presence."""
    if isinstance(values.dtype, pd.StringDtype):
        return _profile_text(pa.array(values))
    missing = values.isna().to_numpy(dtype=bool)
    nulls = int(np.count_nonzero(missing))
    if not (pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype)):
        return PresenceProfile(nulls)
    there = values.array[~missing] if nulls else values.array
    present = there.to_numpy(getattr(values.dtype, "numpy_dtype", values.dtype))  # pandas' nullable dtypes have one
    finite = np.isfinite(present)
    infinite = len(present) - int(np.count_nonzero(finite))
    return _profile_numbers(present[finite] if infinite else present, nulls, infinite)


def _profile_numbers(present: npt.NDArray[Any], nulls: int, infinite: int) -> NumberProfile:
    if not len(present):
        return NumberProfile(nulls=nulls, infinite=infinite)
    numbers = np.add(present, 0.0, dtype=np.float64)  # -0.0 becomes 0.0, or which is the minimum would depend on order
    if present.dtype.kind in "iu" and max(abs(int(present.min())), abs(int(present.max()))) > 1 << 53:
        whole = present.tolist()
        total, squares = Fraction(sum(whole)), Fraction(sum(number * number for number in whole))
    else:
        total, squares = sum_exactly(numbers)
    return NumberProfile(
        nulls,
        infinite,
        len(numbers),
        float(numbers.min()),
        float(numbers.max()),
        total,
        squares,
        _count_buckets(numbers),
    )


def _count_buckets(numbers: npt.NDArray[np.float64]) -> dict[int, int]:
    keys = numbers.view(np.int64) >> _BUCKET_SHIFT
    lowest = int(keys.min())
    keys -= lowest
    counts = np.bincount(keys)
    used = np.flatnonzero(counts != 0)  # of booleans, as there are many zeros
    found = used + lowest
    buckets = np.where(found < 0, -(found & _SIZE_BITS), found)  # a negative number's highest bit is its sign
    return dict(zip(buckets.tolist(), counts[used].tolist(), strict=True))


def _bucket_value(bucket: int) -> float:
    size = float(np.array(abs(bucket) << _BUCKET_SHIFT, dtype=np.int64).view(np.float64))
    return -size if bucket < 0 else size


def _profile_text(texts: pa.Array | pa.ChunkedArray) -> CategoryProfile:
    nulls = texts.null_count
    count = len(texts) - nulls
    counted = pc.value_counts(pc.drop_null(texts))
    categories = counted.field("values")
    too_long = pc.any(pc.greater(pc.utf8_length(categories), MAX_CATEGORY_LENGTH)).as_py()
    if len(categories) > MAX_CATEGORIES or too_long:
        return CategoryProfile(nulls, count, None)
    return CategoryProfile(
        nulls, count, dict(sorted(zip(categories.to_pylist(), counted.field("counts").to_pylist(), strict=True)))
    )


def _add_counts(one: dict[_Key, int], other: dict[_Key, int]) -> dict[_Key, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
