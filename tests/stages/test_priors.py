from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import BadInputError, DeclarationError
from pipeline.stages.priors import GLOBAL, MAX_SEGMENTS, compute_priors
from tests.stages.parcel_job import PARCELS, PRICES


def test_without_a_segment_there_is_the_mean_of_all_rounded_as_predictions_are() -> None:
    assert compute_priors(pd.Series([1, 0, 0]), None, PARCELS) == {GLOBAL: 0.3333}


def test_a_segment_is_drawn_towards_the_mean_of_all_by_fifty_rows() -> None:
    """150 rows with the mean 0 and 50 with the mean 1: the mean of all is 0.25."""
    labels = pd.Series([0] * 150 + [1] * 50)
    segments = pd.Series(["by road"] * 150 + ["by air"] * 50, dtype="str")
    priors = compute_priors(labels, segments, PARCELS)
    assert priors == {GLOBAL: 0.25, "by air": (50 + 12.5) / 100, "by road": 12.5 / 200}


def test_one_row_says_little() -> None:
    labels = pd.Series([0] * 999 + [1])
    segments = pd.Series(["many"] * 999 + ["one"], dtype="str")
    assert compute_priors(labels, segments, PARCELS)["one"] < 0.021


@pytest.mark.parametrize(
    ("segments", "names"),
    [
        (pd.Series([3, 3, -1], dtype="int64"), {"3", "-1"}),
        (pd.Series([3, None, 2**60], dtype="Int64"), {"3", str(2**60)}),
        (pd.Series([True, False, True]), {"true", "false"}),
        (pd.Series(["Ōtautahi", None, "a b"], dtype="str"), {"Ōtautahi", "a b"}),
    ],
)
def test_segments_are_named_by_their_text_and_what_is_missing_has_none(segments: pd.Series, names: set[str]) -> None:
    assert set(compute_priors(pd.Series([1.0, 2.0, 3.0]), segments, PRICES)) == {GLOBAL, *names}


@pytest.mark.parametrize("name", ["", "x" * 65, "line\nbreak"])
def test_a_segment_that_could_not_be_asked_for_is_left_out(name: str) -> None:
    segments = pd.Series([name, "a"], dtype="str")
    assert compute_priors(pd.Series([0, 1]), segments, PARCELS) == {GLOBAL: 0.5, "a": round(26 / 51, 4)}


def test_the_order_of_rows_does_not_matter() -> None:
    random = np.random.default_rng(1)
    rows = pd.DataFrame({"label": random.uniform(-99, 99, 500), "segment": random.choice(["a", "b"], 500)})
    mixed = rows.sample(frac=1, random_state=2)
    precise = PRICES.model_copy(update={"decimals": 9})
    first, second = (compute_priors(each["label"], each["segment"], precise) for each in (rows, mixed))
    assert first == second
    assert list(first) == [GLOBAL, "a", "b"]


def test_too_many_segments_are_no_segments() -> None:
    labels = pd.Series(np.zeros(MAX_SEGMENTS + 1))
    with pytest.raises(DeclarationError, match="too many values") as caught:
        compute_priors(labels, pd.Series(range(MAX_SEGMENTS + 1)), PRICES)
    assert caught.value.job == "prices"
    assert caught.value.found == "1001 in the training rows"


def test_a_mean_outside_the_range_of_scores_is_refused() -> None:
    with pytest.raises(BadInputError, match="may not be published") as caught:
        compute_priors(pd.Series([101.0, 102.0]), None, PRICES)
    assert caught.value.found == "1 outside the range"
    assert "101" not in str(caught.value)
