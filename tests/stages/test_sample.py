from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.stages.sample import choose_rows

IDS = pd.Series([f"meter {number}" for number in range(1000)])
DAYS = pd.Series([f"2024-05-{1 + number // 100:02}" for number in range(1000)])


def test_all_rows_are_taken_where_there_are_not_too_many() -> None:
    assert choose_rows(IDS, DAYS, None).tolist() == list(range(1000))
    assert choose_rows(IDS, DAYS, 1000).tolist() == list(range(1000))


def test_so_many_rows_are_taken_in_their_order_and_of_every_day() -> None:
    chosen = choose_rows(IDS, DAYS, 300)
    assert len(chosen) == 300
    assert (np.diff(chosen) > 0).all()
    assert DAYS.iloc[chosen].value_counts().between(15, 45).all()


def test_the_order_of_the_rows_does_not_matter_and_fewer_are_some_of_more() -> None:
    chosen = set(IDS.iloc[choose_rows(IDS, DAYS, 300)])
    turned = choose_rows(IDS[::-1].reset_index(drop=True), DAYS[::-1].reset_index(drop=True), 300)
    assert set(IDS[::-1].iloc[turned]) == chosen
    assert set(IDS.iloc[choose_rows(IDS, DAYS, 100)]) < chosen


def test_an_id_that_comes_back_is_not_taken_on_all_of_its_days_or_on_none() -> None:
    ids, days = pd.Series(["one meter"] * 1000), pd.Series([f"day {number}" for number in range(1000)])
    assert len(choose_rows(ids, days, 500)) == 500
