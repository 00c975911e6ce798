"""Row verdicts: what is refused, why, and that no row is ever lost."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
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
from pipeline.stages.row_checks import describe
from pipeline.stages.validate import (
    MAX_REASONS,
    Verdict,
    check_quarantine_share,
    count_reasons,
    frame_from_arrow,
    judge_rows,
)

CUTOFF = datetime(2013, 4, 1, 8, tzinfo=UTC)
BEFORE = datetime(2013, 4, 1, 7, tzinfo=UTC)

CONTRACT = Contract(
    pandera.DataFrameSchema(
        {
            "id": pandera.Column(str),
            "known_at": pandera.Column("datetime64[us, UTC]"),
            "delay": pandera.Column(float, pandera.Check.in_range(-120, 2000), nullable=True),
            "seats": pandera.Column("int64", pandera.Check.ge(1)),
            "origin": pandera.Column(str, pandera.Check.isin(["EWR", "JFK"])),
            "cancelled": pandera.Column(bool),
        },
        checks=pandera.Check(
            lambda rows: ~(rows["cancelled"] & (rows["delay"] > 0)), error="cancelled flights have no delay"
        ),
    )
)
GOOD: dict[str, Any] = {
    "id": "UA1",
    "known_at": BEFORE,
    "delay": 5.0,
    "seats": 100,
    "origin": "EWR",
    "cancelled": False,
}


def make_table(*rows: dict[str, Any]) -> pa.Table:
    """Rows that are GOOD but for what is given; ids count up unless given."""
    full = [{**GOOD, "id": f"UA{number}", **row} for number, row in enumerate(rows)]
    table = pa.Table.from_pylist(full, schema=CONTRACT.arrow_schema())
    return table.append_column(POSITION, pa.array(range(len(rows)), pa.int64()))


def judge(*rows: dict[str, Any], **options: Any) -> Verdict:
    frame = frame_from_arrow(make_table(*rows), CONTRACT)
    return judge_rows(frame, CONTRACT, **{"key": ("id",), "event_time": "known_at", "cutoff": CUTOFF, **options})


def reasons_of(verdict: Verdict) -> dict[int, list[str]]:
    """Reasons by row position."""
    quarantined = verdict.quarantined
    return dict(zip(quarantined[POSITION].tolist(), map(list, quarantined[REASONS]), strict=True))


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


def test_a_long_list_of_allowed_values_is_cut() -> None:
    assert describe(pandera.Check.isin([f"v{n:02}" for n in range(30)])).endswith("v09 … (30 values)")


def test_of_identical_rows_the_first_by_position_stays() -> None:
    table = make_table({"id": "A"}, {}, {"id": "A"}, {"id": "A"}).take([3, 1, 2, 0])
    verdict = judge_rows(frame_from_arrow(table, CONTRACT), CONTRACT, key=("id",))
    assert sorted(verdict.valid[POSITION]) == [0, 1]
    assert reasons_of(verdict) == {2: ["duplicate of an earlier row"], 3: ["duplicate of an earlier row"]}


def test_identical_rows_may_have_missing_values() -> None:
    verdict = judge({"id": "A", "delay": None}, {"id": "A", "delay": None})
    assert reasons_of(verdict) == {1: ["duplicate of an earlier row"]}


def test_conflicting_rows_of_a_key_are_all_quarantined() -> None:
    verdict = judge({"id": "A"}, {"id": "A"}, {"id": "A", "delay": 6.0}, {})
    assert set(map(tuple, reasons_of(verdict).values())) == {("conflicts with another row of the same key",)}
    assert verdict.valid[POSITION].tolist() == [3]


def test_a_missing_value_conflicts_with_a_present_one() -> None:
    assert judge({"id": "A", "delay": None}, {"id": "A"}).valid.empty


def test_a_key_may_have_several_columns() -> None:
    verdict = judge({"id": "A", "seats": 1}, {"id": "A", "seats": 2}, {"id": "A", "seats": 2}, key=("id", "seats"))
    assert reasons_of(verdict) == {2: ["duplicate of an earlier row"]}


def test_a_row_from_after_the_cutoff_contradicts_nothing() -> None:
    verdict = judge({"id": "A"}, {"id": "A", "delay": 9.0, "known_at": CUTOFF})
    assert verdict.valid[POSITION].tolist() == [0]
    assert reasons_of(verdict) == {1: ["became known after the cutoff"]}


@pytest.mark.parametrize(
    ("entity_id", "reason"),
    [
        ("", "id: must not be empty"),
        ("x" * 65, "id: must be at most 64 bytes long"),
        ("é" * 33, "id: must be at most 64 bytes long"),
        ("a\x00b", "id: must not hold control characters"),
        ("a\nb", "id: must not hold control characters"),
        ("a\rb", "id: must not hold control characters"),
        ("a\x7f", "id: must not hold control characters"),
        ("a\x85", "id: must not hold control characters"),
    ],
)
def test_an_id_that_readers_cannot_ask_for_is_refused(entity_id: str, reason: str) -> None:
    assert reasons_of(judge({"id": entity_id}, entity_id="id")) == {0: [reason]}


@pytest.mark.parametrize("entity_id", ["a b", "x" * 64, "é" * 32, "東京", "{id}:1", "\u200d"])
def test_ids_of_any_script_and_with_spaces_are_fine(entity_id: str) -> None:
    assert judge({"id": entity_id}, entity_id="id").valid["id"].tolist() == [entity_id]


def test_ids_may_be_integers_but_not_floats() -> None:
    assert judge({}, key=("seats",), entity_id="seats").quarantined.empty
    with pytest.raises(DeclarationError, match="delay is the entity id"):
        judge({}, entity_id="delay")


def test_bytes_that_are_no_text_are_refused_and_can_be_shown() -> None:
    table = make_table({}, {})
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 3, 6], dtype=np.int32)), pa.py_buffer(b"EWRE\xffR")]
    )
    table = table.set_column(table.column_names.index("origin"), "origin", bad)
    verdict = judge_rows(frame_from_arrow(table, CONTRACT), CONTRACT, key=("id",))
    assert "origin: must be valid UTF-8 text" in reasons_of(verdict)[1]
    assert verdict.quarantined["origin"].tolist() == ["E\ufffdR"]
    assert verdict.valid["origin"].tolist() == ["EWR"]


def test_infinity_is_fine_where_the_contract_says_so() -> None:
    contract = Contract(
        pandera.DataFrameSchema({"id": pandera.Column(str), "x": pandera.Column(float, metadata={"infinite": True})})
    )
    table = pa.table({"id": ["a"], "x": [math.inf], POSITION: [0]})
    assert judge_rows(frame_from_arrow(table, contract), contract, key=("id",)).quarantined.empty


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


def test_a_comparison_with_a_missing_value_refuses_the_row() -> None:
    assert reasons_of(judge({"cancelled": None}))[0] == [
        "cancelled: must not be missing",
        "cancelled flights have no delay",
    ]


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


@settings(deadline=None)
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


def share(received: int, quarantined: int, **reasons: int) -> None:
    check_quarantine_share(
        received, quarantined, 0.02, job="flight_delays", partition="2013-04-01", source="flights", reasons=reasons
    )


def test_a_small_share_of_bad_rows_is_accepted() -> None:
    share(1000, 20)
    share(0, 0)


def test_too_large_a_share_names_job_partition_source_and_reasons() -> None:
    reasons = {f"reason_{number}": number for number in range(1, 8)}
    with pytest.raises(BadInputError) as error:
        share(1000, 21, **reasons)
    text = str(error.value)
    for part in ("flight_delays", "2013-04-01", "'flights'", "2.10%", "21 quarantined: reason_7 (7 rows); reason_6"):
        assert part in text
    assert "and 2 more reasons" in text


def test_all_rows_bad_is_said_so() -> None:
    with pytest.raises(BadInputError, match="every row broke the contract"):
        share(5, 5, x=5)


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
