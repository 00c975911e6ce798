"""Whatever an object consists of is shown, however deep and however large it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from pipeline.pickled_parts import visit_parts


def list_parts(whole: Any) -> list[Any]:
    parts: list[Any] = []
    visit_parts(whole, parts.append)
    return parts


def test_every_part_is_shown_once() -> None:
    model = LogisticRegression()
    whole = {"nested": [Pipeline([("model", model)]), np.array([model, None], dtype=object)]}
    assert [part for part in list_parts(whole) if isinstance(part, LogisticRegression)] == [model]
    assert LogisticRegression in list_parts(whole)


@pytest.mark.parametrize("rows", [10, 10**6])
def test_what_stands_behind_an_array_is_shown_too(rows: int) -> None:
    """Large ones are not copied into the pickle."""
    model = LogisticRegression()
    assert any(part is model for part in list_parts([np.zeros(rows), model]))


def test_what_cannot_be_pickled_raises() -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        list_parts([memoryview(b"")])
