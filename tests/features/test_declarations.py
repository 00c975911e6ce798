"""Declarations: names, what is refused, and digests that change with meaning and not with layout."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from features.declarations import Aggregate, Feature, FeatureSet, Lookup, Trailing
from tests.features.frames import ALL, BY_TOWN, BY_TOWN_AND_KIND, FEATURES, HEAVY, ROWS

DigestOf = Callable[[str], str]

SOURCE = '''
import datetime
import pandas as pd

LIMIT = 10
NAMES = ("a", "b")
START = datetime.date(2024, 1, 1)
TABLE = {1: 2}

class Limits:
    FLOOR = 3

def halve(value):
    return value / 2

def unused(value):
    return value

def is_heavy(weight: pd.Series) -> pd.Series:
    """Heavy."""
    return halve(weight) > LIMIT + len(NAMES) + START.year + (lambda: TABLE[1] + Limits.FLOOR)()  # the limit
'''


@pytest.fixture
def digest_of(tmp_path: Path) -> DigestOf:
    """The digest of a feature set whose row feature is written like this."""
    numbers = iter(range(100))

    def digest(source: str) -> str:
        path = tmp_path / f"rows_{next(numbers)}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module: ModuleType = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return FeatureSet("rows", 1, row_functions=(module.is_heavy,), features=(Feature("is_heavy"),)).digest

    return digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("> LIMIT", ">= LIMIT"),
        ("LIMIT = 10", "LIMIT = 11"),
        ('("a", "b")', '("a", "c")'),
        ("date(2024, 1, 1)", "date(2024, 1, 2)"),
        ("value / 2", "value / 3"),
        ("weight", "mass"),
        ("{1: 2}", "{1: 3}"),
        ("FLOOR = 3", "FLOOR = 4"),
    ],
    ids=["code", "constant", "tuple", "date", "function that is called", "parameter", "dict", "class"],
)
def test_the_digest_changes_with_what_a_row_feature_means(digest_of: DigestOf, old: str, new: str) -> None:
    assert old in SOURCE
    assert digest_of(SOURCE.replace(old, new)) != digest_of(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# the limit", "# another comment"),
        ('"""Heavy."""', '"""Heavier than the limit.\n\n    Really.\n    """'),
        ("return halve(weight) >", "return  (halve(weight))>"),
        ("def unused(value):\n    return value", "def unused(value):\n    return -value"),
        ("import datetime\n", "import datetime\n\n\n\n"),
    ],
    ids=["comment", "docstring", "layout", "function that is not called", "line numbers"],
)
def test_the_digest_stays_the_same_where_the_meaning_does(digest_of: DigestOf, old: str, new: str) -> None:
    assert old in SOURCE
    assert digest_of(SOURCE.replace(old, new)) == digest_of(SOURCE)


@pytest.mark.parametrize(
    "changed",
    [
        replace(FEATURES, version=2),
        replace(FEATURES, name="letters"),
        replace(FEATURES, features=FEATURES.features[::-1]),
        replace(FEATURES, features=(Feature("town"), *FEATURES.features[1:])),
        replace(FEATURES, trailing=FEATURES.trailing[1:]),
        replace(FEATURES, trailing=(replace(FEATURES.trailing[0], smoothing=3.0), *FEATURES.trailing[1:])),
        replace(FEATURES, trailing=(replace(FEATURES.trailing[0], windows=(1, 3)), *FEATURES.trailing[1:])),
        replace(
            FEATURES,
            trailing=(replace(FEATURES.trailing[0], aggregate=replace(BY_TOWN, scale=3)), *FEATURES.trailing[1:]),
        ),
        replace(FEATURES, lookups=(replace(FEATURES.lookups[0], key=("label",)),)),
    ],
    ids=["version", "name", "order", "kind", "fewer", "smoothing", "windows", "scale", "lookup"],
)
def test_the_digest_changes_with_every_declaration(changed: FeatureSet) -> None:
    assert changed.digest != FEATURES.digest


def test_the_digest_of_an_aggregate_ignores_what_it_does_not_use() -> None:
    digests = FEATURES.aggregate_digests
    assert replace(FEATURES, version=9, lookups=()).aggregate_digests == digests
    without = replace(FEATURES, row_functions=FEATURES.row_functions[1:], features=())
    changed = {aggregate for aggregate in digests if without.aggregate_digests[aggregate] != digests[aggregate]}
    assert changed == {BY_TOWN_AND_KIND}, "the only one that adds a row feature"


def test_aggregates_and_columns_are_named_after_what_they_hold() -> None:
    assert [item.name for item in (BY_TOWN, BY_TOWN_AND_KIND, ROWS, ALL)] == [
        "parcels.weight_by_town",
        "parcels.is_heavy_by_town_kind",
        "parcels.rows_by_town",
        "parcels.weight_by_all",
    ]
    assert Trailing(BY_TOWN, (1, 7), on=("destination",)).columns == (
        "weight_mean_by_destination_1d",
        "weight_mean_by_destination_7d",
    )
    assert Trailing(ROWS, (2,), "count").columns == ("parcels_rows_count_by_town_2d",)


def test_an_aggregate_that_two_features_share_is_there_once() -> None:
    assert FEATURES.aggregates == (BY_TOWN, BY_TOWN_AND_KIND, ROWS, ALL)


def test_the_longest_window_of_a_source() -> None:
    assert (FEATURES.longest_window("parcels"), FEATURES.longest_window("towns")) == (2, 0)


@pytest.mark.parametrize(
    ("windows", "function", "on", "message"),
    [
        ((), "mean", (), "windows"),
        ((0,), "mean", (), "windows"),
        ((1,), "mean", ("a", "b"), "does not match"),
    ],
)
def test_a_trailing_feature_that_makes_no_sense_is_refused(
    windows: tuple[int, ...], function: str, on: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Trailing(BY_TOWN, windows, function, on=on)  # type: ignore[arg-type]


def test_a_mean_needs_a_value() -> None:
    with pytest.raises(ValueError, match="needs a value"):
        Trailing(ROWS, (1,), "mean")


def test_columns_that_repeat_are_refused() -> None:
    with pytest.raises(ValueError, match="columns repeat"):
        FeatureSet("parcels", 1, features=(Feature("town"), Feature("town", "category")))


def one(two: pd.Series) -> pd.Series:
    return two


def two(one: pd.Series) -> pd.Series:
    return one


def test_row_features_in_a_circle_are_refused() -> None:
    circle = FeatureSet("circle", 1, row_functions=(one, two))
    with pytest.raises(ValueError, match="one -> two -> one"):
        circle.required_functions(["one"])


def test_row_features_come_after_those_they_build_on() -> None:
    assert FEATURES.required_functions(["grams_and_one", "town"]) == ["weight_in_grams", "grams_and_one"]
    assert HEAVY == 10.0


def test_the_columns_behind_row_features_are_found_and_a_column_of_the_rows_goes_before_a_row_feature() -> None:
    assert FEATURES.required_columns(["town", "grams_and_one"], ["town", "weight", "height"]) == ["town", "weight"]
    assert FEATURES.required_columns(["grams_and_one"], ["weight_in_grams", "weight"]) == ["weight_in_grams"]


@pytest.mark.parametrize("function", [lambda weight: weight, partial(one, pd.Series())], ids=["lambda", "partial"])
def test_what_names_no_column_is_no_row_feature(function: Any) -> None:
    with pytest.raises(ValueError, match="must be a plain function, named by its column"):
        FeatureSet("nameless", 1, row_functions=(function,))


def test_row_functions_that_repeat_are_refused() -> None:
    with pytest.raises(ValueError, match="row functions repeat: \\['one'\\]"):
        FeatureSet("twice", 1, row_functions=(one, two, one))


def test_keys_that_only_read_alike_are_told_apart() -> None:
    sets = [
        FeatureSet("parcels", 1, trailing=(Trailing(Aggregate("parcels", by), (1,), "count", on=("a", "b")),))
        for by in (("x_y", "z"), ("x", "y_z"))
    ]
    assert sets[0].digest != sets[1].digest


def test_a_lookup_is_part_of_the_definition() -> None:
    lookup = Lookup("towns", on=("destination",), key=("name",), columns=("distance",))
    assert replace(FEATURES, lookups=(lookup,)).digest != FEATURES.digest


MODEL: Any = object()


def guess(weight: pd.Series) -> pd.Series:
    guessed: pd.Series = MODEL.predict(weight)
    return guessed


def test_a_row_feature_of_what_cannot_be_told_is_refused_where_it_counts() -> None:
    aggregate = Aggregate("parcels", by=("town",), value="guess")
    guesses = FeatureSet("guesses", 1, row_functions=(guess,), trailing=(Trailing(aggregate, (1,)),))
    for digest in (lambda: guesses.digest, lambda: guesses.aggregate_digests):
        with pytest.raises(ValueError, match="guess uses MODEL"):
            digest()
