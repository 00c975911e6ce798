"""Row verdicts: what is refused, why, and that no row is ever lost."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts import POSITION, REASONS, Contract
from pipeline.errors import BadInputError, DamagedError, DeclarationError
from pipeline.stages.validate import MAX_REASONS, count_reasons, frame_from_arrow, judge_rows
from tests.stages.flight_rows import BEFORE, CONTRACT, CUTOFF, judge, make_table, reasons_of


def test_valid_rows_come_out_in_the_declared_dtypes() -> None:
    verdict = judge({}, {"delay": None})
    assert verdict.quarantined.empty
    assert {name: verdict.valid[name].dtype for name in CONTRACT.columns} == CONTRACT.dtypes
    assert verdict.valid[POSITION].tolist() == [0, 1]
    assert math.isnan(verdict.valid["delay"][1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"delay": 2000.5}, "delay: must be between -120 and 2000"),
        ({"delay": math.inf}, "delay: must be finite"),
        ({"delay": -math.inf}, "delay: must be finite"),
        ({"seats": 0}, "seats: must be at least 1"),
        ({"seats": None}, "seats: must not be missing"),
        ({"cancelled": None}, "cancelled: must not be missing"),
        ({"origin": "LGA"}, "origin: must be one of EWR, JFK"),
        ({"origin": None}, "origin: must not be missing"),
        ({"id": None}, "id: must not be missing"),
        ({"known_at": None}, "known_at: must not be missing"),
        ({"known_at": CUTOFF}, "became known after the cutoff"),
        ({"cancelled": True}, "cancelled flights have no delay"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason(change: dict[str, Any], reason: str) -> None:
    verdict = judge({}, change, {})
    assert reason in reasons_of(verdict)[1]
    assert verdict.valid[POSITION].tolist() == [0, 2]


def test_every_reason_of_a_row_is_kept() -> None:
    verdict = judge({"delay": -500, "seats": 0, "origin": "XXX"})
    assert reasons_of(verdict) == {
        0: ["delay: must be between -120 and 2000", "seats: must be at least 1", "origin: must be one of EWR, JFK"]
    }


def test_quarantined_rows_keep_what_came() -> None:
    quarantined = judge({"seats": None}, {"seats": -3}).quarantined
    assert quarantined["seats"].isna().tolist() == [True, False]
    assert quarantined["seats"][1] == -3


def test_quarantine_goes_into_parquet_types() -> None:
    quarantined = judge({"seats": 0}).quarantined
    schema = CONTRACT.arrow_schema().append(pa.field(REASONS, pa.list_(pa.string())))
    assert pa.Table.from_pandas(quarantined, schema=schema).column(REASONS).to_pylist() == [
        ["seats: must be at least 1"]
    ]


def test_reasons_of_a_row_are_bounded() -> None:
    count = MAX_REASONS + 3
    contract = Contract(
        pandera.DataFrameSchema({"id": pandera.Column(str), **{f"c{n}": pandera.Column(float) for n in range(count)}})
    )
    table = pa.table(
        {"id": ["a", "b"], **{f"c{n}": pa.array([None, 1.0 if n else None], pa.float64()) for n in range(count)}}
    ).append_column(POSITION, pa.array([0, 1], pa.int64()))
    verdict = judge_rows(frame_from_arrow(table, contract), contract, key=("id",))
    assert reasons_of(verdict)[0] == [*(f"c{n}: must not be missing" for n in range(MAX_REASONS)), "and 3 more"]
    assert reasons_of(verdict)[1] == ["c0: must not be missing"]
    assert count_reasons(verdict.quarantined)["c0: must not be missing"] == 2
    assert "and 3 more" not in count_reasons(verdict.quarantined)


def test_infinity_is_fine_where_the_contract_says_so() -> None:
    contract = Contract(
        pandera.DataFrameSchema({"id": pandera.Column(str), "x": pandera.Column(float, metadata={"infinite": True})})
    )
    table = pa.table({"id": ["a"], "x": [math.inf], POSITION: [0]})
    assert judge_rows(frame_from_arrow(table, contract), contract, key=("id",)).quarantined.empty


def test_a_comparison_with_a_missing_value_refuses_the_row() -> None:
    assert reasons_of(judge({"cancelled": None}))[0] == [
        "cancelled: must not be missing",
        "cancelled flights have no delay",
    ]


def test_no_rows_are_no_trouble() -> None:
    verdict = judge()
    assert len(verdict.valid) == len(verdict.quarantined) == 0
    assert {name: verdict.valid[name].dtype for name in CONTRACT.columns} == CONTRACT.dtypes
    assert count_reasons(verdict.quarantined) == {}


def test_every_row_may_be_bad() -> None:
    verdict = judge(*[{"seats": None, "delay": math.inf} for _ in range(50)])
    assert verdict.valid.empty
    assert verdict.valid["seats"].dtype == np.dtype("int64")
    assert count_reasons(verdict.quarantined)["seats: must not be missing"] == 50


def test_verdict_does_not_depend_on_index_labels() -> None:
    """Repeated labels once made a valid row disappear together with a bad one."""
    frame = frame_from_arrow(make_table({}, {"seats": 0}, {}), CONTRACT)
    frame.index = pd.Index([7, 7, 7])
    verdict = judge_rows(frame, CONTRACT, key=("id",))
    assert verdict.valid[POSITION].tolist() == [0, 2]


def test_the_input_frame_is_left_alone() -> None:
    frame = frame_from_arrow(make_table({}, {"seats": 0}), CONTRACT)
    before = frame.copy()
    judge_rows(frame, CONTRACT, key=("id",))
    pd.testing.assert_frame_equal(frame, before)


def test_missing_column_and_other_dtype_are_refused() -> None:
    frame = frame_from_arrow(make_table({}), CONTRACT)
    with pytest.raises(BadInputError, match="origin missing"):
        judge_rows(frame.drop(columns="origin"), CONTRACT, key=("id",))
    with pytest.raises(BadInputError, match="delay int64"):
        judge_rows(frame.astype({"delay": "int64"}), CONTRACT, key=("id",))
    with pytest.raises(BadInputError, match="seats is missing"):
        frame_from_arrow(make_table({}).drop_columns("seats"), CONTRACT)


def test_a_check_of_the_whole_batch_is_no_contract() -> None:
    contract = Contract(pandera.DataFrameSchema({"id": pandera.Column(str, pandera.Check(lambda s: s.is_unique))}))
    table = pa.table({"id": ["a"], POSITION: [0]})
    with pytest.raises(DeclarationError, match="does not judge rows"):
        judge_rows(frame_from_arrow(table, contract), contract, key=("id",))


def test_a_lost_row_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = frame_from_arrow(make_table({}, {}, {}), CONTRACT)
    astype = pd.DataFrame.astype

    def lose_one(self: pd.DataFrame, dtypes: Any) -> pd.DataFrame:
        return astype(self, dtypes).iloc[1:]

    monkeypatch.setattr(pd.DataFrame, "astype", lose_one)
    with pytest.raises(DamagedError, match="do not add up") as error:
        judge_rows(frame, CONTRACT, key=("id",))
    assert error.value.expected == "3 rows"
    assert error.value.found == "2 valid and 0 quarantined"


changes = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["A", "B", None]),
        "delay": st.sampled_from([None, 5.0, 5000.0, math.inf]),
        "seats": st.sampled_from([None, 0, 7]),
        "origin": st.sampled_from(["EWR", "LGA", None]),
        "cancelled": st.sampled_from([True, False, None]),
        "known_at": st.sampled_from([BEFORE, CUTOFF]),
    },
)


@settings(deadline=None)
@given(st.lists(changes, max_size=12))
def test_every_row_gets_exactly_one_verdict(rows: list[dict[str, Any]]) -> None:
    verdict = judge(*rows)
    positions = [*verdict.valid[POSITION], *verdict.quarantined[POSITION]]
    assert sorted(positions) == list(range(len(rows)))
    assert all(len(reasons) for reasons in verdict.quarantined[REASONS])


@settings(max_examples=40)
@given(st.lists(changes.filter(lambda row: row.get("cancelled", False) is not None), min_size=1, max_size=12))
def test_pandera_refuses_the_same_rows(rows: list[dict[str, Any]]) -> None:
    """Apart from keys, cutoff and infinity, the verdict is that of pandera's own validation."""
    frame = frame_from_arrow(make_table(*[{**row, "id": f"U{n}"} for n, row in enumerate(rows)]), CONTRACT)
    frame["delay"] = frame["delay"].replace([math.inf, -math.inf], 9999.0)
    verdict = judge_rows(frame, CONTRACT, key=("id",))
    nullable = {"seats": pd.Int64Dtype(), "cancelled": pd.BooleanDtype()}
    schema = CONTRACT.schema.update_columns({name: {"dtype": dtype} for name, dtype in nullable.items()})
    try:
        schema.validate(frame, lazy=True)
        refused: set[int] = set()
    except pandera.errors.SchemaErrors as error:
        refused = set(error.failure_cases["index"].dropna().astype(int))
    assert set(verdict.quarantined[POSITION]) == refused


def test_bad_rows_cost_little_more_than_good_ones() -> None:
    good = frame_from_arrow(make_table(*[{} for _ in range(20_000)]), CONTRACT)
    bad = good.assign(delay=9999.0, seats=pd.array([0] * len(good), dtype="Int64"), origin="XXX", id="A")

    def best(frame: pd.DataFrame) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            judge_rows(frame, CONTRACT, key=("id",))
            times.append(time.process_time() - start)
        return min(times)

    assert best(bad) < 3 * best(good) + 0.05
