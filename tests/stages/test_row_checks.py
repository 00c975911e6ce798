"""Checks of a contract, told in words."""

from __future__ import annotations

import pandera.pandas as pandera
import pytest

from pipeline.stages.row_checks import describe


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (pandera.Check.gt(1), "must be greater than 1"),
        (pandera.Check.lt(1), "must be less than 1"),
        (pandera.Check.le(1), "must be at most 1"),
        (pandera.Check.eq(1), "must be 1"),
        (pandera.Check.ne(1), "must not be 1"),
        (pandera.Check.notin(["a"]), "must not be one of a"),
        (pandera.Check.in_range(0, 1, include_max=False), "must be between 0 and 1 (1 is excluded)"),
        (pandera.Check.str_matches("^a"), "must match ^a"),
        (pandera.Check.str_contains("a"), "must contain a"),
        (pandera.Check.str_startswith("a"), "must start with a"),
        (pandera.Check.str_endswith("a"), "must end with a"),
        (pandera.Check.str_length(1, 3), "must be at least 1 and at most 3 characters long"),
        (pandera.Check.str_length(exact_value=3), "must be 3 characters long"),
        (pandera.Check.ge(1, error="must be positive"), "must be positive"),
        (pandera.Check(lambda s: s > 1, name="is_big"), "must pass is big"),
        (pandera.Check(lambda s: s > 1, name="isin"), "must pass isin"),
    ],
)
def test_checks_are_told_in_words(check: pandera.Check, text: str) -> None:
    assert describe(check) == text


def test_a_long_list_of_allowed_values_is_cut() -> None:
    assert describe(pandera.Check.isin([f"v{n:02}" for n in range(30)])).endswith("v09 … (30 values)")
