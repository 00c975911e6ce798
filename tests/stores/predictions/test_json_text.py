"""Predictions as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadInputError
from pipeline.stores.predictions.json_text import write_predictions


def write(values: list[Any], kind: pa.DataType | None = None, decimals: int | None = None) -> list[str]:
    text: list[str] = write_predictions([pa.array(values, kind)], decimals).to_pylist()
    return text


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_read_back_as_the_same_number(values: list[float]) -> None:
    assert [float(json.loads(text)) for text in write(values)] == values


@given(st.lists(st.floats(0, 1), min_size=1))
def test_rounded_floats_need_no_more_digits_than_asked_for(values: list[float]) -> None:
    texts = write(values, decimals=6)
    assert [json.loads(text) for text in texts] == np.round(values, 6).tolist()
    assert max(len(text) for text in texts) <= 8


def test_floats_are_written_in_their_shortest_form() -> None:
    assert write([0.25, 1.0, -0.0, 1e-6, 0.123457, -3.5]) == ["0.25", "1", "0", "0.000001", "0.123457", "-3.5"]
    assert write([0.1234567, 2.5], decimals=6) == ["0.123457", "2.5"]


def test_floats_of_32_bits_keep_their_own_shortest_form() -> None:
    assert write([0.1], pa.float32()) == ["0.1"]


def test_integers_and_booleans() -> None:
    assert write([1, -20, 2**62]) == ["1", "-20", str(2**62)]
    assert write([True, False]) == ["true", "false"]


@given(st.lists(st.text(max_size=10), min_size=1))
def test_strings_are_json_encoded(values: list[str]) -> None:
    values = [value.encode(errors="replace").decode() for value in values]
    assert [json.loads(text) for text in write(values)] == values


def test_categories_are_written_as_strings() -> None:
    assert write_predictions([pa.array(["late", "on time", "late"]).dictionary_encode()], None).to_pylist() == [
        '"late"',
        '"on time"',
        '"late"',
    ]


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.large_list(pa.float64()), pa.list_(pa.float64(), 2)])
def test_lists_become_arrays(kind: pa.DataType) -> None:
    assert write([[0.25, 0.75], [1.0, 0.0]], kind) == ["[0.25,0.75]", "[1,0]"]
    assert write_predictions([pa.array([[9.0, 9.0], [0.25, 0.75]], kind).slice(1)], None).to_pylist() == ["[0.25,0.75]"]


def test_several_columns_become_arrays_in_their_order() -> None:
    columns = [pa.array(["a", "b"]), pa.array([0.5, 1.5]), pa.array([1, 2])]
    assert write_predictions(columns, None).to_pylist() == ['["a",0.5,1]', '["b",1.5,2]']


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(BadInputError, match="not a finite number"):
        write_predictions([pa.array([0.5, value], from_pandas=False)], None)


@pytest.mark.parametrize("values", [[0.5, None], ["a", None], [[0.5], None], [[0.5], [None]]])
def test_missing_predictions_are_refused(values: list[Any]) -> None:
    with pytest.raises(BadInputError, match="missing"):
        write(values)


def test_predictions_longer_than_64_bytes_are_refused() -> None:
    assert write(["x" * 62])
    with pytest.raises(BadInputError, match="too long"):
        write(["x" * 63])
    with pytest.raises(BadInputError, match="too long"):
        write(["é" * 32])


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(BadInputError, match="different numbers of parts"):
        write([[0.5], [0.5, 0.5]])


def test_other_types_are_refused() -> None:
    with pytest.raises(BadInputError, match="cannot be published"):
        write([b"raw"])
