"""How a change is divided among its causes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.compare import attribute_change

VALUES = {(): 1.0, ("data",): 4.0, ("model",): 3.0, ("data", "model"): 10.0}


def test_each_factor_gets_its_mean_contribution_over_both_orders() -> None:
    shares = {share.factor: share.contribution for share in attribute_change(("model", "data"), VALUES.__getitem__)}
    assert shares == {"model": (2 + 6) / 2, "data": (3 + 7) / 2}


def test_in_a_named_order_the_steps_are_taken_one_after_the_other() -> None:
    shares = attribute_change(("model", "data"), VALUES.__getitem__, orders=[("data", "model")])
    assert [(share.factor, share.contribution) for share in shares] == [("model", 6.0), ("data", 3.0)]


def test_a_mixture_that_no_order_needs_is_never_computed() -> None:
    def value(state: tuple[str, ...]) -> float:
        assert state != ("model",)
        return VALUES[state]

    attribute_change(("model", "data"), value, orders=[("data", "model")])


@given(st.lists(st.floats(-10, 10), min_size=8, max_size=8))
def test_the_shares_add_up_to_the_change(values: list[float]) -> None:
    factors = ("a", "b", "c")

    def value(state: tuple[str, ...]) -> float:
        return values[sum(1 << factors.index(factor) for factor in state)]

    shares = attribute_change(factors, value)
    assert sum(share.contribution for share in shares) == pytest.approx(values[7] - values[0])
