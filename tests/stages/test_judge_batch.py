"""Great Expectations over a batch: nothing passes that was not evaluated, and no value of a row gets out."""

from __future__ import annotations

import json
from typing import Any

import great_expectations
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from great_expectations import expectations
from great_expectations.expectations.row_conditions import Column

from pipeline.contracts import POSITION, Suite
from pipeline.errors import BadInputError
from pipeline.stages import judge_batch as stage
from pipeline.stages.judge_batch import (
    BatchVerdict,
    are_enough,
    check_verdict,
    choose_candidates,
    judge_batch,
    take_sample,
)

gx: Any = expectations

SECRET = "row-value-4711"


def make_rows(count: int = 10) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "amount": np.arange(count, dtype="float64"),
            "kind": pd.Series([SECRET] * count, dtype="str"),
            POSITION: np.arange(count),
        }
    )


def make_table(**values: float) -> pd.DataFrame:
    return pd.DataFrame([{"rows": 10.0, "rows_ratio": 1.0, **values}], dtype="float64")


def judge(suite: Suite, rows: pd.DataFrame | None = None, count: int | None = None, **options: Any) -> BatchVerdict:
    rows = make_rows() if rows is None else rows
    return judge_batch(
        suite, rows, len(rows) if count is None else count, options.pop("table", make_table()), **options
    )


def mean(low: float, severity: str = "critical") -> Any:
    return gx.ExpectColumnMeanToBeBetween(column="amount", min_value=low, severity=severity)


def ratio(low: float, severity: str = "critical", column: str = "rows_ratio") -> Any:
    return gx.ExpectColumnValuesToBeBetween(column=column, min_value=low, severity=severity)


def test_everything_passes() -> None:
    verdict = judge(Suite(batch=[mean(1)], profile=[ratio(0.5)]))
    assert verdict.success
    assert verdict.blocking == verdict.warnings == ()
    assert (verdict.planned, verdict.evaluated) == (2, 2)
    assert (verdict.rows, verdict.rows_planned, verdict.rows_seen, verdict.sampled) == (10, 10, 10, False)
    assert [(result["over"], result["observed"]["value"]) for result in verdict.results] == [
        ("batch", 4.5),
        ("profile", 1.0),
    ]


def test_a_critical_failure_blocks_and_a_warning_does_not() -> None:
    verdict = judge(Suite(batch=[mean(5), mean(6, "warning")]))
    assert not verdict.success
    assert verdict.blocking == ("batch amount: mean to be between (min_value 5.0): found value 4.5",)
    assert verdict.warnings == ("batch amount: mean to be between (min_value 6.0): found value 4.5",)
    assert judge(Suite(batch=[mean(6, "warning")])).success


def test_drift_is_neither_a_fault_nor_silent() -> None:
    verdict = judge(Suite(batch=[mean(5, "info")], profile=[ratio(2, "warning")]))
    assert verdict.success
    assert verdict.drifts == ("batch amount: mean to be between (min_value 5.0): found value 4.5",)
    assert len(verdict.warnings) == 1


def test_results_keep_the_order_of_the_suite() -> None:
    kinds = gx.ExpectColumnValuesToNotBeNull(column="kind")
    verdict = judge(Suite(batch=[mean(1), kinds, mean(2)]))
    assert [result["column"] for result in verdict.results] == ["amount", "kind", "amount"]


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_an_expectation_that_raised_blocks_whatever_its_severity(severity: str) -> None:
    broken = gx.ExpectColumnMeanToBeBetween(column="kind", min_value=0, severity=severity)
    verdict = judge(Suite(batch=[broken, mean(1)]))
    assert not verdict.success
    assert (verdict.planned, verdict.evaluated) == (2, 1)
    assert verdict.blocking[0] == "only 1 of 2 expectations could be evaluated"
    assert "it raised TypeError" in verdict.blocking[1]


@pytest.mark.parametrize("over", ["batch", "profile"])
def test_a_column_that_does_not_exist_blocks(over: str) -> None:
    suite = Suite(**{over: [ratio(0, "warning", column="rows_ration")]})
    verdict = judge(suite)
    assert not verdict.success
    assert "there is no column rows_ration" in verdict.blocking[1]


def test_an_expectation_that_got_no_result_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(great_expectations.ExpectationSuite):
        def __init__(self, name: str, expectations: list[Any]) -> None:
            super().__init__(name=name, expectations=expectations[1:])

    monkeypatch.setattr(great_expectations, "ExpectationSuite", Forgetful)
    verdict = judge(Suite(batch=[mean(1, "warning"), mean(2, "warning")]))
    assert not verdict.success
    assert verdict.evaluated == 1
    assert "it was not evaluated" in verdict.blocking[1]


def test_fewer_rows_than_planned_block() -> None:
    verdict = judge(Suite(batch=[mean(0, "warning")]), make_rows(8), count=10)
    assert not verdict.success
    assert verdict.blocking == ("only 8 of the 10 rows planned were seen",)


def test_a_missing_value_in_the_profile_is_no_pass() -> None:
    """Great Expectations lets missing values pass."""
    verdict = judge(Suite(profile=[ratio(0.5, column="mean.amount")]), table=make_table(**{"mean.amount": np.nan}))
    assert not verdict.success
    assert "there is no value" in verdict.blocking[0]


def test_an_infinite_value_in_the_profile_is_judged_and_told() -> None:
    suite = Suite(profile=[gx.ExpectColumnValuesToBeBetween(column="rows_ratio", max_value=2)])
    verdict = judge(suite, table=make_table(rows_ratio=np.inf))
    assert not verdict.success
    assert verdict.results[0]["observed"]["value"] == "infinity"


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.5, 1.0, 2.0, float("inf"), float("-inf")])
@pytest.mark.parametrize("strict", [{}, {"strict_min": True}, {"strict_max": True}])
@pytest.mark.parametrize("limits", [{"min_value": 0.0}, {"max_value": 1.0}, {"min_value": 0.0, "max_value": 1.0}])
def test_a_range_over_the_profile_is_that_over_a_batch_of_its_row(
    value: float, strict: dict[str, bool], limits: dict[str, float]
) -> None:
    expectation = gx.ExpectColumnValuesToBeBetween(column="rows_ratio", **limits, **strict)
    table = make_table(rows_ratio=value)
    over_profile = judge(Suite(profile=[expectation]), table=table)
    over_batch = judge(Suite(batch=[expectation]), table.assign(**{POSITION: 0}))
    assert over_profile.evaluated == over_batch.evaluated == 1
    assert over_profile.success == over_batch.success
    assert over_profile.results[0]["expectation"] == "expect_column_values_to_be_between"


def test_a_range_for_some_rows_is_evaluated_as_it_was_declared() -> None:
    expectation = gx.ExpectColumnValuesToBeBetween(
        column="rows_ratio", max_value=0.5, row_condition=Column("rows") > 100
    )
    assert judge(Suite(profile=[expectation])).success


def test_an_empty_batch_fails_unless_it_may_be_empty() -> None:
    suite = Suite(batch=[mean(1)])
    assert judge(suite, make_rows(0)).blocking == ("the batch has no valid rows",)
    assert judge(suite, make_rows(0), may_be_empty=True).success


def test_an_extreme_is_judged_and_not_told_since_it_is_the_value_of_one_row() -> None:
    batch = [
        gx.ExpectColumnMaxToBeBetween(column="amount", max_value=3),
        gx.ExpectColumnMinToBeBetween(column="amount", max_value=3),
    ]
    verdict = judge(Suite(batch=batch), make_rows(8))
    assert [result["success"] for result in verdict.results] == [False, True]
    assert [result["observed"] for result in verdict.results] == [{}, {}]
    assert verdict.blocking == (
        "batch amount: max to be between (max_value 3.0): the extreme is a value of a row, which is not told",
    )


def test_no_value_of_a_row_gets_into_the_verdict() -> None:
    batch = [
        gx.ExpectColumnValuesToBeInSet(column="kind", value_set=["a"]),
        gx.ExpectColumnDistinctValuesToBeInSet(column="kind", value_set=["a"]),
        gx.ExpectColumnDistinctValuesToEqualSet(column="kind", value_set=["a"]),
        gx.ExpectColumnMostCommonValueToBeInSet(column="kind", value_set=["a"]),
        gx.ExpectColumnValueLengthsToBeBetween(column="kind", max_value=1),
        gx.ExpectColumnMaxToBeBetween(column="kind", max_value=1),
        gx.ExpectColumnMeanToBeBetween(column="kind", max_value=1),
        gx.ExpectColumnValuesToMatchRegex(column="kind", regex="a"),
    ]
    verdict = judge(Suite(batch=batch))
    assert len(verdict.blocking) >= len(batch)
    assert SECRET not in json.dumps(verdict.to_json())


def test_verdict_survives_json() -> None:
    quantiles = {"quantiles": [0.05, 0.95], "value_ranges": [[0, None], [None, 20]]}
    batch = [mean(5), gx.ExpectColumnQuantileValuesToBeBetween(column="amount", quantile_ranges=quantiles)]
    verdict = judge(Suite(batch=batch, profile=[ratio(2)]))
    assert BatchVerdict.from_json(json.loads(json.dumps(verdict.to_json(), allow_nan=False))) == verdict


def test_batches_do_not_see_each_other() -> None:
    suite = Suite(batch=[gx.ExpectColumnMeanToBeBetween(column="amount")])
    for count in (5, 9, 3):
        verdict = judge(suite, make_rows(count))
        assert verdict.results[0]["observed"]["value"] == (count - 1) / 2
        assert verdict.rows_seen == count


def test_evaluation_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    judge(Suite(batch=[mean(5)], profile=[ratio(0.5)]))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_small_batch_is_not_sampled() -> None:
    rows = make_rows(10)
    assert take_sample(rows, 10) is rows


def test_a_sample_is_the_same_whatever_the_order_and_shards() -> None:
    rows = make_rows(5000)
    whole = take_sample(rows, 700)
    shards = [take_sample(rows.iloc[shard::3].sample(frac=1, random_state=shard), 700) for shard in range(3)]
    merged = take_sample(pd.concat(shards, ignore_index=True), 700)
    assert len(whole) == 700
    assert whole[POSITION].is_monotonic_increasing
    assert sorted(merged[POSITION]) == whole[POSITION].tolist()


def test_a_sample_is_uniform() -> None:
    positions = take_sample(make_rows(20_000), 2000)[POSITION]
    per_tenth = np.bincount(positions // 2000, minlength=10)
    assert per_tenth.min() > 140
    assert per_tenth.max() < 260


def test_a_sampled_batch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "SAMPLE_ROWS", 100)
    rows = make_rows(300)
    verdict = judge(Suite(batch=[mean(0)]), take_sample(rows, 100), count=300)
    assert verdict.success
    assert (verdict.rows, verdict.rows_planned, verdict.rows_seen, verdict.sampled) == (300, 100, 100, True)


def test_a_blocking_verdict_is_refused_by_name() -> None:
    verdict = judge(Suite(batch=[mean(5)]))
    with pytest.raises(BadInputError) as error:
        check_verdict(verdict, job="flight_delays", partition="2013-04-01", source="flights")
    for part in ("flight_delays", "2013-04-01", "'flights'", "batch amount: mean to be between"):
        assert part in str(error.value)
    check_verdict(judge(Suite(batch=[mean(6, "warning")])), job="j", partition="p", source="s")


def test_the_sample_of_candidates_is_the_sample_of_the_whole() -> None:
    rows = pa.table({POSITION: np.arange(20_000), "amount": np.arange(20_000.0)})
    candidates = pa.concat_tables(
        [choose_candidates(rows.take(np.arange(number, 20_000, 7)), 20_000, 500) for number in range(7)]
    )
    assert 500 <= candidates.num_rows < 1_000
    assert are_enough(candidates, 20_000, 500)
    shards = pa.concat_tables([rows.take(np.arange(number, 20_000, 7)) for number in range(7)])
    chosen, expected = (take_sample(table.to_pandas(), 500).reset_index(drop=True) for table in (candidates, shards))
    pd.testing.assert_frame_equal(chosen, expected)
    assert choose_candidates(rows, 20_000, 20_000) is rows


@pytest.mark.parametrize(("valid", "enough"), [(19_990, True), (8_000, False), (300, False)])
def test_candidates_of_all_rows_are_enough_unless_many_were_refused(valid: int, enough: bool) -> None:
    """Where they are enough, the sample of the valid ones among them is that of all valid rows."""
    rows = pa.table({POSITION: np.arange(20_000)})
    of_valid = rows.slice(0, valid)
    candidates = choose_candidates(of_valid, 20_000, 500)
    assert are_enough(candidates, valid, 500) == enough
    chosen, expected = (take_sample(table.to_pandas(), 500) for table in (candidates, of_valid))
    assert (list(chosen[POSITION]) == list(expected[POSITION])) == enough
