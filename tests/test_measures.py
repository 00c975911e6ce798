"""Measures: the share of rows that break what is declared to hold, and nothing for what is missing."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DeclarationError
from pipeline.job import Role, Source
from pipeline.measures import (
    AGE,
    Measure,
    Reference,
    load_measures,
    share_absent,
    share_apart,
    share_broken,
    share_changed,
    share_off_day,
    share_repeated,
    share_unknown,
    share_unlike,
)

DAY = date(2024, 5, 2)
BEFORE = Reference("orders", (1, 2))
NOT_A_TUPLE = [share_unknown("a", BEFORE, ["id"])]
TWICE = (share_unknown("a", BEFORE, ["id"]), share_unknown("a", BEFORE, ["kind"]))
ONCE = (share_unknown("a", BEFORE, ["id"]),)


def make_rows(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def take(measure: Measure, rows: pd.DataFrame, before: pd.DataFrame | None = None) -> float:
    return measure.compute(rows, rows.iloc[:0] if before is None else before, DAY)


def amount(rows: pd.DataFrame) -> pd.Series:
    return rows["amount"]


def is_positive(rows: pd.DataFrame) -> pd.Series:
    return (rows["amount"] > 0).astype("boolean").mask(rows["amount"].isna())


def make_source(measures: str | None) -> Source:
    return Source(name="orders", role=Role.EVENTS, key=("id",), contract="x:y", suite="x:z", measures=measures)


def test_what_is_missing_breaks_nothing() -> None:
    rows = make_rows(amount=[1.0, -1.0, np.nan, 2.0])
    assert take(share_broken("sign", ["id"], is_positive), rows) == 0.25


def test_rows_of_another_day_are_told_by_the_local_date() -> None:
    moments = pd.Series(pd.to_datetime(["2024-05-02T03:00Z", "2024-05-02T05:00Z", "2024-05-03T03:00Z", "NaT"]))
    measure = share_off_day("off", ["id"], "at", "America/New_York")
    assert take(measure, make_rows(at=moments)) == 0.25
    tomorrow = share_off_day("off", ["id"], "at", "America/New_York", days=1)
    assert take(tomorrow, make_rows(at=moments)) == 0.75


def test_a_row_is_held_against_the_median_of_its_group() -> None:
    rows = make_rows(at=[1, 1, 1, 2, 2], amount=[10.0, 11.0, 40.0, 5.0, np.nan])
    assert take(share_apart("apart", "amount", "at", tolerance=5), rows) == 0.2


def test_a_value_is_held_against_the_usual_one_of_its_key() -> None:
    before = make_rows(id=["a", "a", "a", "b"], amount=[10.0, 10.0, 99.0, 7.0], **{AGE: [1, 2, 2, 1]})
    measure = share_unlike("unlike", BEFORE, ["id"], amount, tolerance=1)
    rows = make_rows(id=["a", "b", "b", "new"], amount=[10.5, 7.0, 70.0, 1000.0])
    assert take(measure, rows, before) == pytest.approx(1 / 3)


def test_a_change_is_told_against_the_newest_row_of_the_key() -> None:
    before = make_rows(id=["a", "a", "b"], kind=["x", "old", "y"], **{AGE: [1, 2, 1]})
    measure = share_changed("changed", BEFORE, ["id"], ["kind"])
    assert take(measure, make_rows(id=["a", "b", "c"], kind=["x", "z", "w"]), before) == 0.5
    assert take(measure, make_rows(id=["a", "b"], kind=["x", None]), before) == 0


def test_unknown_keys_are_told_and_missing_ones_are_not() -> None:
    before = make_rows(id=["a", "b"], **{AGE: [1, 1]})
    assert take(share_unknown("unknown", BEFORE, ["id"]), make_rows(id=["a", "c", None, "b"]), before) == 0.25


def test_repetition_is_that_of_one_delivery_and_needs_whole_keys() -> None:
    before = make_rows(id=["a", "b", "c", None], **{AGE: [1, 1, 2, 2]})
    measure = share_repeated("repeated", BEFORE, ["id"])
    assert take(measure, make_rows(id=["a", "b", "c", None]), before) == 0.5
    assert take(measure, make_rows(id=["a"]), before.iloc[:0]) == 0


def test_absent_is_what_always_came() -> None:
    before = make_rows(id=["a", "b", "c", "a", "b"], **{AGE: [1, 1, 1, 2, 2]})
    assert take(share_absent("absent", BEFORE, ["id"]), make_rows(id=["a", "d"]), before) == 0.5


ids = st.lists(st.sampled_from("abcdef"), max_size=8)


@given(rows=ids, before=ids, ages=st.lists(st.sampled_from([1, 2]), min_size=8, max_size=8))
def test_every_measure_is_a_share_whatever_the_rows(rows: list[str], before: list[str], ages: list[int]) -> None:
    own = make_rows(id=pd.Series(rows, dtype="str"), amount=np.arange(float(len(rows))))
    reference = make_rows(
        id=pd.Series(before, dtype="str"), amount=np.arange(float(len(before))), **{AGE: ages[: len(before)]}
    )
    for measure in (
        share_unlike("unlike", BEFORE, ["id"], amount, tolerance=1),
        share_changed("changed", BEFORE, ["id"], ["amount"]),
        share_unknown("unknown", BEFORE, ["id"]),
        share_repeated("repeated", BEFORE, ["id"]),
        share_absent("absent", BEFORE, ["id"]),
    ):
        assert 0 <= measure.compute(own, reference, DAY) <= 1


values = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1.0, 2.0, np.nan])), max_size=12)


@given(rows=values, before=values, ages=st.lists(st.sampled_from([1, 2, 5]), min_size=12, max_size=12))
def test_what_is_repeated_and_unknown_is_what_joining_the_tables_says(
    rows: list[Any], before: list[Any], ages: list[int]
) -> None:
    keys = ["id", "amount"]
    types = {"id": "str", "amount": "float64"}
    own = pd.DataFrame(rows, columns=keys).astype(types)
    reference = pd.DataFrame(before, columns=keys).astype(types).assign(**{AGE: ages[: len(before)]})
    whole = own.notna().all(axis=1)

    def is_among(others: pd.DataFrame) -> pd.Series:
        return own.merge(others[keys].drop_duplicates(), on=keys, how="left", indicator=True)["_merge"] == "both"

    repeated = [(whole & is_among(reference[reference[AGE] == age])).mean() for age in set(reference[AGE])]
    unknown = (whole & ~is_among(reference)).mean() if rows else 0
    assert take(share_repeated("repeated", BEFORE, keys), own, reference) == (max(repeated, default=0) if rows else 0)
    assert take(share_unknown("unknown", BEFORE, keys), own, reference) == unknown


@given(rows=ids.filter(bool))
def test_a_delivery_beside_itself_breaks_nothing_and_repeats_everything(rows: list[str]) -> None:
    own = make_rows(id=pd.Series(rows, dtype="str")).drop_duplicates()
    before = own.assign(**{AGE: 1})
    assert take(share_changed("changed", BEFORE, ["id"], ["id"][:0]), own, before) == 0
    assert take(share_unknown("unknown", BEFORE, ["id"]), own, before) == 0
    assert take(share_absent("absent", BEFORE, ["id"]), own, before) == 0
    assert take(share_repeated("repeated", BEFORE, ["id"]), own, before) == 1


@pytest.mark.parametrize(("ages", "least"), [((), 1), ((0, 1), 1), ((1, 2), 3), ((1,), 0)])
def test_a_reference_that_cannot_be_is_refused(ages: tuple[int, ...], least: int) -> None:
    with pytest.raises(ValueError, match="orders"):
        Reference("orders", ages, least)


def test_measures_are_loaded_by_path() -> None:
    assert load_measures(make_source(None)) == ()
    assert load_measures(make_source("tests.test_measures:ONCE")) == ONCE


@pytest.mark.parametrize(
    ("name", "problem"), [("NOT_A_TUPLE", "no tuple of measures"), ("TWICE", "the same name"), ("GONE", "GONE")]
)
def test_wrong_measures_are_refused(name: str, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        load_measures(make_source(f"tests.test_measures:{name}"))
